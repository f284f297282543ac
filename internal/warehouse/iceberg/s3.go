package iceberg

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/url"
	"os"
	"path"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/smithy-go"
)

// A bucket is a lake in an object store that speaks S3.
type bucket struct {
	client *s3.Client
	name   string
	prefix string // ends with a slash, or is empty
}

func openBucket(u *url.URL) (*bucket, error) {
	if u.Host == "" {
		return nil, errors.New("the address names no bucket")
	}
	key, secret := os.Getenv("AWS_ACCESS_KEY_ID"), os.Getenv("AWS_SECRET_ACCESS_KEY")
	if key == "" || secret == "" {
		return nil, errors.New("AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY are needed for a bucket")
	}
	region := u.Query().Get("region")
	if region == "" {
		region = os.Getenv("AWS_REGION")
	}
	if region == "" {
		region = "us-east-1"
	}
	credentials := aws.Credentials{AccessKeyID: key, SecretAccessKey: secret, SessionToken: os.Getenv("AWS_SESSION_TOKEN")}
	options := s3.Options{
		Region: region,
		Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
			return credentials, nil
		}),
		// Stores that are not Amazon's know neither its newer checksums nor its
		// buckets as host names.
		RequestChecksumCalculation: aws.RequestChecksumCalculationWhenRequired,
		ResponseChecksumValidation: aws.ResponseChecksumValidationWhenRequired,
	}
	if endpoint := u.Query().Get("endpoint"); endpoint != "" {
		options.BaseEndpoint, options.UsePathStyle = &endpoint, true
	}
	prefix := strings.Trim(path.Clean(u.Path), "/.")
	if prefix != "" {
		prefix += "/"
	}
	return &bucket{client: s3.New(options), name: u.Host, prefix: prefix}, nil
}

func (b *bucket) key(name string) *string { return aws.String(b.prefix + name) }

func (b *bucket) uri(name string) string { return "s3://" + b.name + "/" + b.prefix + name }

func (b *bucket) read(ctx context.Context, name string) (content []byte, err error) {
	got, err := b.client.GetObject(ctx, &s3.GetObjectInput{Bucket: &b.name, Key: b.key(name)})
	if err != nil {
		return nil, b.explain("read", name, err)
	}
	defer func() { err = errors.Join(err, got.Body.Close()) }()
	return io.ReadAll(got.Body)
}

// create relies on the store's promise that of several writers with
// If-None-Match one succeeds.
func (b *bucket) create(ctx context.Context, name string, content []byte) error {
	_, err := b.client.PutObject(ctx, &s3.PutObjectInput{
		Bucket: &b.name, Key: b.key(name), Body: bytes.NewReader(content), IfNoneMatch: aws.String("*"),
	})
	return b.explain("create", name, err)
}

// add is durable at once: an object store answers when it has the object.
func (b *bucket) add(ctx context.Context, name string, content []byte) error {
	return b.write(ctx, name, content)
}

func (b *bucket) write(ctx context.Context, name string, content []byte) error {
	_, err := b.client.PutObject(ctx, &s3.PutObjectInput{Bucket: &b.name, Key: b.key(name), Body: bytes.NewReader(content)})
	return b.explain("write", name, err)
}

func (b *bucket) exists(ctx context.Context, name string) (bool, error) {
	_, err := b.client.HeadObject(ctx, &s3.HeadObjectInput{Bucket: &b.name, Key: b.key(name)})
	if err = b.explain("look at", name, err); errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	return err == nil, err
}

// open reads the whole object: our files are bounded, and parts of them are
// many requests.
func (b *bucket) open(ctx context.Context, name string) (blob, error) {
	content, err := b.read(ctx, name)
	if err != nil {
		return nil, err
	}
	return memoryBlob{bytes.NewReader(content)}, nil
}

// A memoryBlob is a file in memory.
type memoryBlob struct{ *bytes.Reader }

func (memoryBlob) Close() error { return nil }

func (b *bucket) list(ctx context.Context, folder string) ([]object, error) {
	var found []object
	pages := s3.NewListObjectsV2Paginator(b.client, &s3.ListObjectsV2Input{Bucket: &b.name, Prefix: b.key(folder + "/")})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, b.explain("list", folder, err)
		}
		for _, o := range page.Contents {
			found = append(found, object{strings.TrimPrefix(aws.ToString(o.Key), b.prefix), aws.ToTime(o.LastModified)})
		}
	}
	return found, nil
}

func (b *bucket) remove(ctx context.Context, name string) error {
	_, err := b.client.DeleteObject(ctx, &s3.DeleteObjectInput{Bucket: &b.name, Key: b.key(name)})
	return b.explain("remove", name, err)
}

// explain says of an answer that an object is there, or is not, in the words
// of the file system.
func (b *bucket) explain(what, name string, err error) error {
	if err == nil {
		return nil
	}
	var answer interface{ HTTPStatusCode() int }
	var said smithy.APIError
	status, code := 0, ""
	if errors.As(err, &answer) {
		status = answer.HTTPStatusCode()
	}
	if errors.As(err, &said) {
		code = said.ErrorCode()
	}
	switch {
	case code == "NoSuchBucket":
	case status == http.StatusNotFound, code == "NoSuchKey":
		return fmt.Errorf("%s %s: %w", what, b.uri(name), fs.ErrNotExist)
	case status == http.StatusPreconditionFailed, code == "PreconditionFailed":
		return fmt.Errorf("%s %s: %w", what, b.uri(name), fs.ErrExist)
	}
	return fmt.Errorf("%s %s: %w", what, b.uri(name), err)
}
