package wire

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"regexp"
	"runtime/debug"
	"strings"
	"time"

	"gopkg.in/yaml.v3"

	"penstock"
	"penstock/internal/datastreams"
	"penstock/internal/hubspot"
)

// DefaultConnection is the connection of an installation without penstock.yaml.
const DefaultConnection = "default"

// HubSpotSettings say how a worker reads HubSpot.
type HubSpotSettings struct {
	Reserve  *float64          `name:"reserve" env:"PENSTOCK_RESERVE" help:"share of HubSpot's limits to leave to your other tools, from 0 to below 1; when absent, a fifth of the searches alone"`
	Versions map[string]string `name:"hubspot-versions" env:"HUBSPOT_API_VERSIONS" help:"API version of a family of endpoints, such as objects=v3;owners=v3" placeholder:"FAMILY=VERSION"`
}

// oauthFamily names, among the versions, that of the endpoint which renews access
// tokens: it is data-streams' to ask, and no family of a client.
const oauthFamily = "oauth"

// client is what the settings say for a client of HubSpot.
func (s HubSpotSettings) client() (hubspot.Config, error) {
	cfg := hubspot.Config{Versions: map[hubspot.Family]string{}}
	if s.Reserve != nil {
		cfg.Reserve, cfg.AllSearches = *s.Reserve, true
		if cfg.Reserve < 0 || cfg.Reserve >= 1 {
			return cfg, Usage("a reserve of %v is not possible: it must lie between 0 and below 1", cfg.Reserve)
		}
	}
	for family, version := range s.Versions {
		if family == oauthFamily {
			continue
		}
		cfg.Versions[hubspot.Family(family)] = version
	}
	return cfg, nil
}

// Settings are the flags and environment that the programs share; a flag wins.
type Settings struct {
	HubSpotSettings

	BaseURL   string `name:"hubspot-base-url" env:"HUBSPOT_BASE_URL" default:"https://api.hubapi.com" help:"where HubSpot answers"`
	Token     string `name:"hubspot-access-token" env:"HUBSPOT_ACCESS_TOKEN" help:"service key or private-app token" placeholder:"TOKEN"`
	TokenFile string `name:"hubspot-access-token-file" env:"HUBSPOT_ACCESS_TOKEN_FILE" help:"file that holds the token; it may be replaced while penstock runs" placeholder:"PATH"`

	OAuth OAuthSettings `embed:""`

	Warehouse   string        `name:"warehouse" env:"PENSTOCK_WAREHOUSE" help:"sqlite:PATH, postgres://USER:PASSWORD@HOST/DATABASE, iceberg:PATH or iceberg+s3://BUCKET/PREFIX; default hubspot.db in the data folder" placeholder:"ADDRESS"`
	Followers   []string      `name:"follower" env:"PENSTOCK_FOLLOWERS" help:"other warehouses, which are filled from the first" placeholder:"ADDRESS"`
	NATS        string        `name:"nats-url" env:"PENSTOCK_NATS_URL" help:"NATS server with JetStream; default one inside the process" placeholder:"URL"`
	DataDir     string        `name:"data-dir" env:"PENSTOCK_DATA_DIR" default:"./penstock-data" help:"folder of all state"`
	Listen      string        `name:"listen" env:"PENSTOCK_LISTEN" default:"127.0.0.1:8080" help:"address of the HTTP API"`
	Every       time.Duration `name:"every" env:"PENSTOCK_EVERY" default:"5m" help:"how often to fetch"`
	Lag         time.Duration `name:"lag" env:"PENSTOCK_LAG" default:"60m" help:"how late HubSpot's search index may be"`
	ListEvery   time.Duration `name:"list-every" env:"PENSTOCK_LIST_EVERY" default:"1h" help:"how often archived lists and definitions are read"`
	Sweep       string        `name:"sweep" env:"PENSTOCK_SWEEP" default:"25%" help:"what of the day sweeps may use: none, a share of the daily calls such as 25%, a time of day such as 22:00-06:00, or both"`
	SweepEvery  time.Duration `name:"sweep-every" env:"PENSTOCK_SWEEP_EVERY" default:"12h" help:"how often everything is swept, as far as the calls for it allow"`
	History     []string      `name:"history" env:"PENSTOCK_HISTORY" help:"properties whose former values are kept, such as contacts.lifecyclestage,deals.dealstage" placeholder:"STREAM.PROPERTY"`
	VerifyEvery time.Duration `name:"verify-every" env:"PENSTOCK_VERIFY_EVERY" default:"24h" help:"how often everything is compared with HubSpot; 0 only when asked for"`
	KeepGone    time.Duration `name:"keep-gone" env:"PENSTOCK_KEEP_GONE" default:"168h" help:"how long the values of rows are kept that HubSpot does not know any more"`
	Lease       time.Duration `name:"lease" env:"PENSTOCK_LEASE" default:"15s" help:"how long a silent worker keeps an account before another takes over"`
	APIToken    string        `name:"api-token" env:"PENSTOCK_API_TOKEN" help:"bearer token of the HTTP API; required unless it listens on this machine only" placeholder:"TOKEN"`
	Config      string        `name:"config" env:"PENSTOCK_CONFIG" default:"penstock.yaml" help:"file with several connections; may be missing"`
	LogLevel    string        `name:"log-level" env:"PENSTOCK_LOG_LEVEL" default:"warn" enum:"debug,info,warn,error" help:"debug, info, warn or error"`

	CatchUpOnly bool `kong:"-"` // read only what somebody waits for
}

// A UsageError is a mistake in how the program was called: exit status 2.
type UsageError struct{ text string }

// Error is the mistake in one sentence.
func (e *UsageError) Error() string { return e.text }

// Usage makes one.
func Usage(format string, args ...any) error {
	return &UsageError{fmt.Sprintf(format, args...)}
}

// Logger writes lines for people to w.
func (s Settings) Logger(w io.Writer) *slog.Logger {
	var level slog.Level
	if err := level.UnmarshalText([]byte(s.LogLevel)); err != nil {
		level = slog.LevelWarn
	}
	return slog.New(slog.NewTextHandler(w, &slog.HandlerOptions{Level: level}))
}

// Version is the program's, as it was built.
func Version() string {
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" {
		return info.Main.Version
	}
	return "(devel)"
}

// ConnectionSettings are one connection as configured.
type ConnectionSettings struct {
	Name      string        `yaml:"name"`
	TokenEnv  string        `yaml:"token_env"`
	TokenFile string        `yaml:"token_file"`
	BaseURL   string        `yaml:"base_url"`
	Every     time.Duration `yaml:"every"`
	Lag       time.Duration `yaml:"lag"`
	Streams   []string      `yaml:"streams"`
	Sweep     string        `yaml:"sweep"`
	History   []string      `yaml:"history"` // stream.property
	Warehouse string        `yaml:"warehouse"`
	Followers []string      `yaml:"followers"` // other warehouses

	Columns map[string]penstock.ColumnRules `yaml:"columns"` // by stream

	OAuth     ConnectionOAuth `yaml:",inline"`
	policy    datastreams.SweepPolicy
	histories map[string][]string

	On    bool   `yaml:"-"` // whether it is read before anybody says start or stop
	token string // given directly
}

// file is penstock.yaml.
type file struct {
	Connections []ConnectionSettings `yaml:"connections"`
}

// Connections are those of penstock.yaml, or the default one alone.
func (s Settings) Connections() ([]ConnectionSettings, error) {
	text, err := os.ReadFile(s.Config)
	if errors.Is(err, os.ErrNotExist) {
		return s.check([]ConnectionSettings{{Name: DefaultConnection}})
	}
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", s.Config, err)
	}
	decoder := yaml.NewDecoder(strings.NewReader(string(text)))
	decoder.KnownFields(true)
	var f file
	if err := decoder.Decode(&f); err != nil {
		return nil, Usage("%s cannot be read: %s", s.Config, inOneLine(err))
	}
	if len(f.Connections) == 0 {
		return nil, Usage("%s names no connections", s.Config)
	}
	return s.check(f.Connections)
}

// inOneLine is what the YAML library says, without line breaks and the names
// of our types.
func inOneLine(err error) string {
	return regexp.MustCompile(` in type wire\.\w+`).ReplaceAllString(strings.Join(strings.Fields(err.Error()), " "), "")
}

// errName keeps connection names usable as subjects, file names and in URLs.
var errName = errors.New("a connection's name has 1 to 40 characters of a-z, 0-9, _ and -")

func (s Settings) check(connections []ConnectionSettings) ([]ConnectionSettings, error) {
	form := regexp.MustCompile(`^[a-z0-9_-]{1,40}$`)
	names, places := map[string]bool{}, map[string]string{}
	for i := range connections {
		c := &connections[i]
		if !form.MatchString(c.Name) {
			return nil, Usage("connection %q: %v", c.Name, errName)
		}
		if names[c.Name] {
			return nil, Usage("there are two connections named %q", c.Name)
		}
		names[c.Name] = true
		s.fillIn(c)
		if c.UsesOAuth() && c.hasToken() {
			return nil, Usage("connection %q has both an access token and the settings of an OAuth app: remove one of them", c.Name)
		}
		if c.Every < penstock.MinEvery || c.Every > penstock.MaxEvery {
			return nil, Usage("connection %q: an interval of %s is not possible: it must lie between %s and 30 days", c.Name, c.Every, penstock.MinEvery)
		}
		if c.Lag < 0 || c.Lag > 24*time.Hour {
			return nil, Usage("connection %q: a lag of %s is not possible: it must lie between 0 and 24h", c.Name, c.Lag)
		}
		if err := c.checkPlaces(); err != nil {
			return nil, err
		}
		var err error
		if c.policy, err = datastreams.ParseSweep(c.Sweep); err != nil {
			return nil, Usage("connection %q: %v", c.Name, err)
		}
		c.policy.Every = s.SweepEvery
		if c.histories, err = histories(c.History); err != nil {
			return nil, Usage("connection %q: %v", c.Name, err)
		}
		if err = checkColumns(c.Columns, c.histories); err != nil {
			return nil, Usage("connection %q: %v", c.Name, err)
		}
		for _, address := range append([]string{c.Warehouse}, c.Followers...) {
			place := canonical(address)
			if other := places[place]; other != "" {
				return nil, Usage("the warehouse %s would be written twice, by connection %q and by %q", shownAddress(address), other, c.Name)
			}
			places[place] = c.Name
		}
	}
	return connections, nil
}

// histories are the properties whose former values are kept, by stream.
func histories(names []string) (map[string][]string, error) {
	by := map[string][]string{}
	for _, name := range names {
		stream, property, two := strings.Cut(name, ".")
		if !two || stream == "" || property == "" {
			return nil, fmt.Errorf("the history of %q cannot be kept: write the stream and the property, such as contacts.lifecyclestage", name)
		}
		by[stream] = append(by[stream], property)
	}
	return by, nil
}

// checkPlaces refuses addresses that cannot work before anything is made or
// asked.
func (c ConnectionSettings) checkPlaces() error {
	client, err := hubspot.New(hubspot.Config{BaseURL: c.BaseURL, Stamp: func() int64 { return 0 }})
	if err != nil {
		return Usage("connection %q: HUBSPOT_BASE_URL cannot be used: %v", c.Name, err)
	}
	client.Close()
	for _, address := range append([]string{c.Warehouse}, c.Followers...) {
		if err := checkAddress(address); err != nil {
			return err
		}
	}
	return nil
}

// CheckTokens reads the credential of each connection, or of the named one alone.
// Who runs a worker in the same process asks before anything is begun.
func (s Settings) CheckTokens(only string) error {
	connections, err := s.Connections()
	if err != nil {
		return err
	}
	found := only == ""
	for _, c := range connections {
		if only != "" && only != c.Name {
			continue
		}
		found = true
		if err := c.CheckCredential(); err != nil {
			return err
		}
	}
	if !found {
		return Usage("there is no connection %q; `penstock status` lists them", only)
	}
	return nil
}

// fillIn takes what a connection does not say from the settings for all.
func (s Settings) fillIn(c *ConnectionSettings) {
	if c.Name == DefaultConnection && c.TokenEnv == "" && c.TokenFile == "" && c.OAuth.none() {
		c.token, c.TokenFile, c.OAuth = s.Token, s.TokenFile, s.OAuth.connection()
	}
	if c.BaseURL == "" {
		c.BaseURL = s.BaseURL
	}
	if c.Every == 0 {
		c.Every = s.Every
	}
	if c.Lag == 0 {
		c.Lag = s.Lag
	}
	if c.Sweep == "" {
		c.Sweep = s.Sweep
	}
	if c.History == nil {
		c.History = s.History
	}
	if c.Name == DefaultConnection && c.Warehouse == "" {
		c.Warehouse = s.Warehouse
	}
	if c.Name == DefaultConnection && c.Followers == nil {
		c.Followers = s.Followers
	}
	if c.Warehouse == "" {
		file := "hubspot.db"
		if c.Name != DefaultConnection {
			file = "hubspot_" + c.Name + ".db"
		}
		c.Warehouse = "sqlite:" + filepath.Join(s.DataDir, file)
	}
	c.Warehouse = inSchemaOf(c.Name, c.Warehouse)
	for i, address := range c.Followers {
		c.Followers[i] = inSchemaOf(c.Name, address)
	}
	c.On = true
}

// Token reads the connection's access token as it is now.
func (c ConnectionSettings) Token() (string, error) {
	token, place := c.token, "HUBSPOT_ACCESS_TOKEN"
	switch {
	case c.TokenFile != "":
		text, err := os.ReadFile(c.TokenFile)
		if err != nil {
			return "", fmt.Errorf("the token of connection %q cannot be read: %w", c.Name, err)
		}
		token, place = string(text), c.TokenFile
	case c.TokenEnv != "":
		token, place = os.Getenv(c.TokenEnv), c.TokenEnv
	case c.Name != DefaultConnection:
		place = "token_env or token_file in penstock.yaml"
	}
	token = strings.TrimSpace(token)
	if token == "" {
		return "", fmt.Errorf("the token of connection %q is empty: put one into %s", c.Name, place)
	}
	if strings.ContainsAny(token, " \t\r\n") {
		return "", fmt.Errorf("the token of connection %q has blanks in it: put the token alone into %s", c.Name, place)
	}
	return token, nil
}
