package catalog_test

import (
	"path/filepath"
	"testing"

	"penstock/internal/catalog"
)

func TestASealedCredentialIsThereAfterTheNextStart(t *testing.T) {
	ctx, path := t.Context(), filepath.Join(t.TempDir(), "catalog.db")
	c, err := catalog.Open(ctx, path)
	must(t, err)
	origin, sealed, err := c.Sealed(ctx, conn)
	must(t, err)
	equal(t, "before the first", len(origin)+len(sealed)+len(got[[]byte](t)(c.Refused(ctx, conn))), 0)
	must(t,
		c.SetRefused(ctx, conn, []byte{9}), // each of the two leaves the other as it is
		c.SetSealed(ctx, conn, []byte{1}, []byte{0, 2}), c.SetSealed(ctx, conn, []byte{3, 0}, []byte{4}),
		c.SetRefused(ctx, conn, []byte{0, 5}), c.SetSealed(ctx, "another", []byte{6}, []byte{7}), c.Close())
	c = open(t, path)
	origin, sealed, err = c.Sealed(ctx, conn)
	must(t, err)
	equal(t, "the origin", origin, []byte{3, 0})
	equal(t, "what is sealed", sealed, []byte{4})
	equal(t, "what was refused", got[[]byte](t)(c.Refused(ctx, conn)), []byte{0, 5})
	equal(t, "what was refused of another", len(got[[]byte](t)(c.Refused(ctx, "another"))), 0)
}
