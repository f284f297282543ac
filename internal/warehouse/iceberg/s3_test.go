package iceberg

import (
	"errors"
	"io/fs"
	"net/http/httptest"
	"net/url"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/johannesboyne/gofakes3"
	"github.com/johannesboyne/gofakes3/backend/s3mem"

	"penstock/internal/warehouse"
	"penstock/internal/warehouse/warehousetest"
)

// fakeBucket is the address of an empty bucket in this process.
func fakeBucket(t *testing.T) string {
	t.Helper()
	t.Setenv("AWS_ACCESS_KEY_ID", "key")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "secret")
	server := httptest.NewServer(gofakes3.New(s3mem.New()).Server())
	t.Cleanup(server.Close)
	address := "iceberg+s3://lake/some/prefix?region=eu-west-1&endpoint=" + url.QueryEscape(server.URL)
	store := open(t, address, t.TempDir())
	b := store.lake.(watched).lake.(*bucket)
	if _, err := b.client.CreateBucket(t.Context(), &s3.CreateBucketInput{Bucket: &b.name}); err != nil {
		t.Fatal(err)
	}
	return address
}

func TestABucketIsALakeToo(t *testing.T) {
	address := fakeBucket(t)
	first, second := open(t, address, t.TempDir()), open(t, address, t.TempDir())
	claim(t, first)
	loads := twoLoads()
	mustLoad(t, first, loads[0]...)
	if err := second.Claim(t.Context(), warehouse.Claim{Loader: "another", Installation: "here", Account: 1}); err != nil {
		t.Fatal(err)
	}
	if _, err := first.Load(t.Context(), loads[1], moment()); !errors.Is(err, warehouse.ErrFenced) {
		t.Errorf("the first loader's load: %v, want it fenced", err)
	}
	mustLoad(t, second, loads[1]...)
	folder := "iceberg:" + t.TempDir()
	there := open(t, folder, t.TempDir())
	claim(t, there)
	for _, items := range twoLoads() {
		mustLoad(t, there, items...)
	}
	if got, want := describe(t, second), describe(t, there); got != want {
		t.Errorf("the bucket holds\n%s\nand a folder\n%s", got, want)
	}
	if err := second.Maintain(t.Context()); err != nil {
		t.Error(err)
	}
	if got, want := describe(t, open(t, address, t.TempDir())), describe(t, there); got != want {
		t.Errorf("after maintenance the bucket holds\n%s\nand a folder\n%s", got, want)
	}
}

// TestW4OfTwoWritersOfAnEntryOneSucceeds is what commits rest on.
func TestW4OfTwoWritersOfAnEntryOneSucceeds(t *testing.T) {
	for _, address := range []string{fakeBucket(t), "iceberg:" + t.TempDir()} {
		l := open(t, address, t.TempDir()).lake
		outcomes := make(chan error)
		for range 8 {
			go func() { outcomes <- l.create(t.Context(), "_penstock/log/1", []byte("mine")) }()
		}
		succeeded := 0
		for range 8 {
			if err := <-outcomes; err == nil {
				succeeded++
			} else if !errors.Is(err, fs.ErrExist) {
				t.Error(err)
			}
		}
		if succeeded != 1 {
			t.Errorf("%s: %d of 8 writers succeeded", address, succeeded)
		}
		if _, err := l.read(t.Context(), "nothing"); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("a file that is not there: %v", err)
		}
	}
}

func TestTheEngineKeepsThePromisesInABucket(t *testing.T) {
	if testing.Short() || raceDetector {
		t.Skip("each of the suite's tests is hundreds of requests")
	}
	address := fakeBucket(t)
	warehousetest.RunTyped(t, func(t *testing.T) (func() warehouse.Store, func(warehousetest.Tampering)) {
		own := address[:len("iceberg+s3://lake/")] + randomID() + address[len("iceberg+s3://lake/"):]
		workdir := t.TempDir()
		return func() warehouse.Store { return open(t, own, workdir) },
			func(change warehousetest.Tampering) { tamper(t, own, change) }
	})
}
