package wire

import (
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"

	"penstock/internal/credential"
	"penstock/internal/hubspot"
	"penstock/internal/secret"
)

// OAuthSettings are an OAuth app's credential as flags and environment give it.
type OAuthSettings struct {
	ClientID         string      `name:"hubspot-client-id" env:"HUBSPOT_CLIENT_ID" help:"client id of your OAuth app, in place of a token" placeholder:"ID"`
	ClientSecret     secret.Text `name:"hubspot-client-secret" env:"HUBSPOT_CLIENT_SECRET" help:"client secret of the OAuth app" placeholder:"SECRET"`
	ClientSecretFile string      `name:"hubspot-client-secret-file" env:"HUBSPOT_CLIENT_SECRET_FILE" help:"file that holds the client secret" placeholder:"PATH"`
	RefreshToken     secret.Text `name:"hubspot-refresh-token" env:"HUBSPOT_REFRESH_TOKEN" help:"refresh token of the account for the OAuth app" placeholder:"TOKEN"`
	RefreshTokenFile string      `name:"hubspot-refresh-token-file" env:"HUBSPOT_REFRESH_TOKEN_FILE" help:"file that holds the refresh token; it may be replaced while penstock runs" placeholder:"PATH"`
	KeyFile          string      `name:"key-file" env:"PENSTOCK_KEY_FILE" help:"file of the key that seals secrets in the catalog; default key in the data folder" placeholder:"PATH"`
}

// ConnectionOAuth is an OAuth app's credential as penstock.yaml gives it for a
// connection.
type ConnectionOAuth struct {
	ClientID         string `yaml:"client_id"`
	ClientIDEnv      string `yaml:"client_id_env"`
	ClientSecretEnv  string `yaml:"client_secret_env"`
	ClientSecretFile string `yaml:"client_secret_file"`
	RefreshTokenEnv  string `yaml:"refresh_token_env"`
	RefreshTokenFile string `yaml:"refresh_token_file"`

	clientSecret, refreshToken secret.Text // given directly
}

// none tells whether nothing of it is given.
func (o ConnectionOAuth) none() bool {
	return o.ClientID+o.ClientIDEnv+o.ClientSecretEnv+o.ClientSecretFile+o.RefreshTokenEnv+o.RefreshTokenFile == "" &&
		o.clientSecret.Reveal()+o.refreshToken.Reveal() == ""
}

// Given tells whether anything of the credential is.
func (s OAuthSettings) Given() bool { return !s.connection().none() }

// connection is what the default connection takes from flags and environment.
func (s OAuthSettings) connection() ConnectionOAuth {
	return ConnectionOAuth{
		ClientID: s.ClientID, ClientSecretFile: s.ClientSecretFile, RefreshTokenFile: s.RefreshTokenFile,
		clientSecret: s.ClientSecret, refreshToken: s.RefreshToken,
	}
}

// hasToken tells whether a place for an access token is given.
func (c ConnectionSettings) hasToken() bool {
	return c.TokenFile != "" || c.TokenEnv != "" || c.token != ""
}

// UsesOAuth tells whether the connection's access tokens come of a refresh
// token.
func (c ConnectionSettings) UsesOAuth() bool { return !c.OAuth.none() }

// A place is where one text of a credential is set: a file, or a variable, or
// what was given directly.
type place struct {
	file, env string
	given     string
	name      string // of what stands there
	direct    string // where it would be given
}

func (p place) String() string {
	switch {
	case p.file != "":
		return p.file
	case p.env != "":
		return p.env
	}
	return p.direct
}

// read is the text as it is now: one word.
func (p place) read() (string, error) {
	text := p.given
	switch {
	case p.file != "":
		content, err := os.ReadFile(p.file)
		if err != nil {
			return "", fmt.Errorf("%s cannot be read: %w", p.name, err)
		}
		text = string(content)
	case p.env != "":
		text = os.Getenv(p.env)
	}
	text = strings.TrimSpace(text)
	if text == "" {
		return "", fmt.Errorf("%s is empty: put it into %s", p.name, p)
	}
	if strings.ContainsAny(text, " \t\r\n") {
		return "", fmt.Errorf("%s has blanks in it: put it alone into %s", p.name, p)
	}
	return text, nil
}

// refreshTokenPlace is where the connection's refresh token is set.
func (c ConnectionSettings) refreshTokenPlace() place {
	p := place{
		file: c.OAuth.RefreshTokenFile, env: c.OAuth.RefreshTokenEnv, given: c.OAuth.refreshToken.Reveal(),
		name: fmt.Sprintf("the refresh token of connection %q", c.Name), direct: "HUBSPOT_REFRESH_TOKEN",
	}
	if c.Name != DefaultConnection {
		p.direct = "refresh_token_env or refresh_token_file in penstock.yaml"
	}
	return p
}

// Configured reads the connection's OAuth credential as it is now.
func (c ConnectionSettings) Configured() (credential.Configured, error) {
	id := place{
		env: c.OAuth.ClientIDEnv, given: c.OAuth.ClientID,
		name: fmt.Sprintf("the client id of connection %q", c.Name), direct: "HUBSPOT_CLIENT_ID, or client_id in penstock.yaml",
	}
	key := place{
		file: c.OAuth.ClientSecretFile, env: c.OAuth.ClientSecretEnv, given: c.OAuth.clientSecret.Reveal(),
		name:   fmt.Sprintf("the client secret of connection %q", c.Name),
		direct: "HUBSPOT_CLIENT_SECRET, or the place that client_secret_env or client_secret_file in penstock.yaml names",
	}
	var texts []string
	for _, from := range []place{id, key, c.refreshTokenPlace()} {
		text, err := from.read()
		if err != nil {
			return credential.Configured{}, err
		}
		texts = append(texts, text)
	}
	return credential.Configured{
		ClientID: texts[0], ClientSecret: secret.NewText(texts[1]), RefreshToken: secret.NewText(texts[2]),
	}, nil
}

// CheckCredential reads what opens the connection's account, without asking
// HubSpot.
func (c ConnectionSettings) CheckCredential() error {
	if c.UsesOAuth() {
		_, err := c.Configured()
		return err
	}
	_, err := c.Token()
	return err
}

// openConsents makes those of the connections that use OAuth. Only they need the
// key, and those that hash columns, so nobody else gets one to look after.
func (s *Server) openConsents(connections []ConnectionSettings, log *slog.Logger) error {
	for _, c := range connections {
		if !c.UsesOAuth() {
			continue
		}
		key, err := s.openKey(log)
		if err != nil {
			return err
		}
		s.consents[c.Name] = credential.New(credential.Config{
			Connection: c.Name, Read: c.Configured, Place: c.refreshTokenPlace().String(),
			HubSpot: hubspot.OAuth{BaseURL: c.BaseURL, Version: s.settings.Versions[oauthFamily]},
			Store:   s.catalog, Key: key, Log: log,
		})
	}
	return nil
}

// keyPath is where the key file is.
func (s Settings) keyPath() string {
	if s.OAuth.KeyFile != "" {
		return s.OAuth.KeyFile
	}
	return filepath.Join(s.DataDir, keyFile)
}
