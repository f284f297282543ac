package postgres

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/url"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgconn/ctxwatch"
)

const (
	defaultSchema  = "hubspot"
	defaultTimeout = 10 // seconds to wait for a connection
	cancelWithin   = 5 * time.Second
)

// knownKeys are what may follow the question mark of an address.
var knownKeys = []string{"connect_timeout", "host", "port", "schema", "sslcert", "sslkey", "sslmode", "sslrootcert"}

// sslModes are how much of the server's identity is checked, the least first.
var sslModes = []string{"disable", "prefer", "require", "verify-ca", "verify-full"}

// An address is a parsed one. Name is what errors and logs may say of it.
type address struct {
	config *pgconn.Config
	schema string
	name   string
}

// parseAddress reads postgres://user:password@host:port/database?key=value.
// Nothing else says where to connect: no PG* variable, no password file.
func parseAddress(text string) (*address, error) {
	if os.Getenv("PGSERVICE") != "" {
		return nil, errors.New("the environment variable PGSERVICE is set and would name another server: unset it")
	}
	u, err := url.Parse(text)
	if err != nil {
		return nil, errors.New("not a URL such as postgres://user:password@host:5432/database?sslmode=verify-full (percent-encode special characters)")
	}
	if u.Scheme != "postgres" && u.Scheme != "postgresql" {
		return nil, errors.New("an address begins with postgres://")
	}
	keys, err := readKeys(u.RawQuery)
	if err != nil {
		return nil, err
	}
	host := cmp.Or(keys["host"], u.Hostname(), "localhost")
	port := cmp.Or(keys["port"], u.Port(), "5432")
	database := strings.TrimPrefix(u.Path, "/")
	switch {
	case u.User.Username() == "":
		return nil, errors.New("the address names no user: postgres://user@host/database")
	case database == "":
		return nil, errors.New("the address names no database: postgres://user@host/database")
	case strings.Contains(host, ","):
		return nil, errors.New("the address names several hosts: a warehouse is on one server")
	}
	settings, err := settingsOf(keys, host)
	if err != nil {
		return nil, err
	}
	settings["host"], settings["port"], settings["database"], settings["user"] = host, port, database, u.User.Username()
	settings["password"], _ = u.User.Password()
	config, err := configOf(settings)
	if err != nil {
		return nil, err
	}
	schema := cmp.Or(keys["schema"], defaultSchema)
	if len(schema) > 63 || strings.HasPrefix(schema, "pg_") || strings.ContainsRune(schema, 0) {
		return nil, fmt.Errorf("%q cannot be a schema's name", schema)
	}
	name := fmt.Sprintf("%s@%s/%s schema %s", config.User, net.JoinHostPort(host, port), database, schema)
	return &address{config: config, schema: schema, name: name}, nil
}

// Place names the schema that an address stands for, without user and password:
// two addresses of one place load the same tables. An address that cannot be
// read stands for itself.
func Place(text string) string {
	a, err := parseAddress(text)
	if err != nil {
		return text
	}
	host := net.JoinHostPort(a.config.Host, strconv.Itoa(int(a.config.Port)))
	return fmt.Sprintf("postgres://%s/%s schema %s", host, a.config.Database, a.schema)
}

// readKeys refuses a key that would be passed over.
func readKeys(query string) (map[string]string, error) {
	values, err := url.ParseQuery(query)
	if err != nil {
		return nil, errors.New("what follows the question mark cannot be read (percent-encode special characters)")
	}
	keys := map[string]string{}
	for key, all := range values {
		if !slices.Contains(knownKeys, key) {
			return nil, fmt.Errorf("unknown key %q: the keys are %s", key, strings.Join(knownKeys, ", "))
		}
		if len(all) > 1 {
			return nil, fmt.Errorf("the key %s comes twice", key)
		}
		keys[key] = all[0]
	}
	return keys, nil
}

// settingsOf are the library's settings, each of them given, so that none is
// taken from the environment.
func settingsOf(keys map[string]string, host string) (map[string]string, error) {
	mode := keys["sslmode"]
	if mode == "" {
		mode = "verify-full"
		if near(host) {
			mode = "prefer"
		}
	}
	if !slices.Contains(sslModes, mode) {
		return nil, fmt.Errorf("sslmode %q: the modes are %s", mode, strings.Join(sslModes, ", "))
	}
	timeout := cmp.Or(keys["connect_timeout"], strconv.Itoa(defaultTimeout))
	if n, err := strconv.Atoi(timeout); err != nil || n < 1 || n > 3600 {
		return nil, fmt.Errorf("connect_timeout %q is not a number of seconds from 1 to 3600", timeout)
	}
	return map[string]string{
		"sslmode": mode, "sslrootcert": keys["sslrootcert"], "sslcert": keys["sslcert"], "sslkey": keys["sslkey"],
		"sslpassword": "", "sslsni": "1", "sslnegotiation": "postgres", "sslcertmode": "allow",
		"connect_timeout": timeout, "application_name": "penstock", "passfile": "", "target_session_attrs": "any",
		"min_protocol_version": "3.0", "max_protocol_version": "3.0", "channel_binding": "prefer", "require_auth": "",
	}, nil
}

// near tells whether a connection to the host does not leave this machine.
func near(host string) bool {
	ip := net.ParseIP(host)
	return strings.HasPrefix(host, "/") || host == "localhost" || ip != nil && ip.IsLoopback()
}

func configOf(settings map[string]string) (*pgconn.Config, error) {
	escape := strings.NewReplacer(`\`, `\\`, `'`, `\'`)
	var words []string
	for _, key := range slices.Sorted(maps.Keys(settings)) {
		words = append(words, key+"='"+escape.Replace(settings[key])+"'")
	}
	config, err := pgconn.ParseConfig(strings.Join(words, " "))
	if err != nil {
		// The library's own text holds the whole address.
		inner := errors.Unwrap(err)
		if inner == nil {
			inner = errors.New("a part of it, such as the port, is not a possible one")
		}
		return nil, fmt.Errorf("the address cannot be used: %w", inner)
	}
	config.RuntimeParams = map[string]string{"application_name": "penstock"}
	config.DialFunc = (&net.Dialer{Timeout: config.ConnectTimeout, KeepAliveConfig: net.KeepAliveConfig{
		Enable: true, Idle: 30 * time.Second, Interval: 10 * time.Second, Count: 3, // a peer that is gone is noticed within a minute
	}}).DialContext
	config.BuildContextWatcherHandler = func(pg *pgconn.PgConn) ctxwatch.Handler {
		return &pgconn.CancelRequestContextWatcherHandler{Conn: pg, DeadlineDelay: cancelWithin}
	}
	return config, nil
}
