package wire

import (
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"

	"penstock/internal/warehouse"
	"penstock/internal/warehouse/sqlite"
)

// shownAddress is a warehouse's address without what is secret in it.
func shownAddress(address string) string {
	scheme, _, _ := strings.Cut(address, ":")
	if scheme == "sqlite" {
		return address
	}
	if u, err := url.Parse(address); err == nil {
		return u.Redacted()
	}
	return scheme + ":..."
}

// checkAddress refuses an address that names no warehouse.
func checkAddress(address string) error {
	scheme, place, _ := strings.Cut(address, ":")
	if scheme == "sqlite" && place != "" {
		return nil
	}
	return Usage("the warehouse %q is not one that penstock can load: write sqlite:PATH into PENSTOCK_WAREHOUSE", shownAddress(address))
}

// canonical is the warehouse's address as it is the same however it is written.
func canonical(address string) string {
	scheme, path, _ := strings.Cut(address, ":")
	if scheme != "sqlite" {
		return address
	}
	if absolute, err := filepath.Abs(path); err == nil {
		path = absolute
	}
	if dir, err := filepath.EvalSymlinks(filepath.Dir(path)); err == nil {
		path = filepath.Join(dir, filepath.Base(path))
	}
	if target, err := filepath.EvalSymlinks(path); err == nil {
		path = target
	}
	return "sqlite:" + path
}

// OpenStore opens a warehouse by its address.
func OpenStore(address string) (warehouse.Store, error) {
	if err := checkAddress(address); err != nil {
		return nil, err
	}
	path := strings.TrimPrefix(address, "sqlite:")
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, fmt.Errorf("make the folder of the warehouse: %w; choose another place with PENSTOCK_WAREHOUSE", err)
	}
	return sqlite.Open(path)
}
