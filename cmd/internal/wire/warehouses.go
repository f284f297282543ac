package wire

import (
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"

	"penstock/internal/warehouse"
	"penstock/internal/warehouse/iceberg"
	"penstock/internal/warehouse/postgres"
	"penstock/internal/warehouse/sqlite"
)

// The schemes of warehouses' addresses.
const (
	sqliteScheme     = "sqlite"
	postgresScheme   = "postgres"
	postgresqlScheme = "postgresql"
	icebergScheme    = "iceberg"
	icebergS3Scheme  = "iceberg+s3"
)

// shownAddress is a warehouse's address without what is secret in it.
func shownAddress(address string) string {
	scheme, _, _ := strings.Cut(address, ":")
	if scheme == sqliteScheme || scheme == icebergScheme {
		return address
	}
	if u, err := url.Parse(address); err == nil && u.Scheme != "" {
		return u.Redacted()
	}
	return scheme + ":..."
}

// checkAddress refuses an address that names no warehouse. It connects to none.
func checkAddress(address string) error {
	scheme, place, _ := strings.Cut(address, ":")
	switch {
	case scheme == sqliteScheme && place != "":
		return nil
	case scheme == icebergScheme || scheme == icebergS3Scheme:
		if err := iceberg.CheckAddress(address); err != nil {
			return Usage("%v", err)
		}
		return nil
	case scheme == postgresScheme || scheme == postgresqlScheme:
		store, err := postgres.Open(address)
		if err != nil {
			return Usage("%v", err)
		}
		return store.Close()
	}
	return Usage("the warehouse %q is not one that penstock can load: write sqlite:PATH, postgres://USER:PASSWORD@HOST/DATABASE, iceberg:PATH or iceberg+s3://BUCKET/PREFIX", shownAddress(address))
}

// inSchemaOf gives a connection with a name of its own a schema of its own,
// unless the address names one.
func inSchemaOf(connection, address string) string {
	scheme, _, _ := strings.Cut(address, ":")
	u, err := url.Parse(address)
	if connection == DefaultConnection || err != nil || scheme != postgresScheme && scheme != postgresqlScheme || u.Query().Has("schema") {
		return address
	}
	query := u.Query()
	query.Set("schema", "hubspot_"+connection)
	u.RawQuery = query.Encode()
	return u.String()
}

// canonical is the warehouse's address as it is the same however it is written.
func canonical(address string) string {
	scheme, path, _ := strings.Cut(address, ":")
	switch scheme {
	case postgresScheme, postgresqlScheme:
		return postgres.Place(address)
	case sqliteScheme, icebergScheme:
	default:
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
	return scheme + ":" + path
}

// OpenStore opens a warehouse by its address. dir is the data folder: an engine
// may keep there what it can make again.
func OpenStore(address, dir string) (warehouse.Store, error) {
	if err := checkAddress(address); err != nil {
		return nil, err
	}
	scheme, path, _ := strings.Cut(address, ":")
	switch scheme {
	case postgresScheme, postgresqlScheme:
		return postgres.Open(address)
	case icebergScheme, icebergS3Scheme:
		return iceberg.Open(address, filepath.Join(dir, "iceberg"))
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, fmt.Errorf("make the folder of the warehouse: %w; choose another place with PENSTOCK_WAREHOUSE", err)
	}
	return sqlite.Open(path)
}
