CREATE TABLE connections (
    name      TEXT PRIMARY KEY,
    scheduled INTEGER NOT NULL DEFAULT 0, -- whether a schedule was ever set
    turned_on INTEGER NOT NULL DEFAULT 0,
    every     INTEGER NOT NULL DEFAULT 0, -- ns
    since     INTEGER NOT NULL DEFAULT 0, -- ns since 1970; so are all times
    account   INTEGER NOT NULL DEFAULT 0,
    time_zone TEXT    NOT NULL DEFAULT '',
    kind      TEXT    NOT NULL DEFAULT '',
    lag       INTEGER NOT NULL DEFAULT 0 -- ns; after the search index proved later than the one configured
) WITHOUT ROWID;

-- How much the settled window of a stream is still to go back.
CREATE TABLE backs (
    connection TEXT    NOT NULL,
    stream     TEXT    NOT NULL,
    back       INTEGER NOT NULL, -- ns
    PRIMARY KEY (connection, stream)
) WITHOUT ROWID;

CREATE TABLE verifications (
    id         INTEGER PRIMARY KEY AUTOINCREMENT,
    connection TEXT NOT NULL,
    report     TEXT NOT NULL -- JSON
);
CREATE INDEX verifications_of ON verifications (connection, id);

CREATE TABLE confirmed_sweeps (
    connection TEXT NOT NULL,
    stream     TEXT NOT NULL,
    PRIMARY KEY (connection, stream)
) WITHOUT ROWID;

CREATE TABLE stream_names (
    connection  TEXT NOT NULL,
    object_type TEXT NOT NULL,
    name        TEXT NOT NULL COLLATE NOCASE, -- a table's name, and few warehouses tell cases apart
    PRIMARY KEY (connection, object_type),
    UNIQUE (connection, name)
) WITHOUT ROWID;

-- What is kept of an OAuth credential. Marks are SHA-256.
CREATE TABLE credentials (
    connection TEXT PRIMARY KEY,
    origin     BLOB NOT NULL DEFAULT x'', -- marks the configured refresh token that the sealed one descends from
    sealed     BLOB NOT NULL DEFAULT x'', -- the refresh token that HubSpot gave last
    refused    BLOB NOT NULL DEFAULT x''  -- marks what HubSpot has refused
) WITHOUT ROWID;

CREATE TABLE accounts (
    id      INTEGER PRIMARY KEY,
    ceiling INTEGER NOT NULL DEFAULT 0,
    day     TEXT    NOT NULL DEFAULT '',
    calls   INTEGER NOT NULL DEFAULT 0,
    "limit" INTEGER NOT NULL DEFAULT 0,
    calls_by TEXT   NOT NULL DEFAULT '', -- JSON: which calls were for what
    worker  TEXT    NOT NULL DEFAULT ''
);

CREATE TABLE runs (
    id         INTEGER PRIMARY KEY AUTOINCREMENT, -- a number is never used again
    connection TEXT NOT NULL,
    stream     TEXT NOT NULL,
    lane       TEXT NOT NULL,
    token      TEXT NOT NULL,
    worker     TEXT NOT NULL,
    open       INTEGER NOT NULL DEFAULT 1,
    began      INTEGER NOT NULL,
    ended      INTEGER NOT NULL DEFAULT 0,
    outcome    TEXT    NOT NULL DEFAULT '',
    why        TEXT    NOT NULL DEFAULT '',
    fetched    INTEGER NOT NULL DEFAULT 0,
    rejected   INTEGER NOT NULL DEFAULT 0,
    buried     INTEGER NOT NULL DEFAULT 0,
    "values"   INTEGER NOT NULL DEFAULT 0,
    loaded     INTEGER NOT NULL DEFAULT 0,
    unchanged  INTEGER NOT NULL DEFAULT 0,
    superseded INTEGER NOT NULL DEFAULT 0,
    entombed   INTEGER NOT NULL DEFAULT 0, -- Applied.Buried
    wanted     INTEGER NOT NULL DEFAULT 0,
    batches    INTEGER NOT NULL DEFAULT 0
);
CREATE INDEX runs_of_lane ON runs (connection, stream, lane, id);
CREATE INDEX runs_open ON runs (connection) WHERE open;

-- What stands here is never pruned, and is found without a search.
CREATE TABLE last_runs (
    connection TEXT NOT NULL,
    stream     TEXT NOT NULL,
    lane       TEXT NOT NULL,
    newest     INTEGER NOT NULL,
    done       INTEGER NOT NULL DEFAULT 0, -- the newest that ended as done
    PRIMARY KEY (connection, stream, lane)
) WITHOUT ROWID;

CREATE TABLE troubles (
    id         INTEGER PRIMARY KEY AUTOINCREMENT,
    connection TEXT NOT NULL,
    stream     TEXT NOT NULL,
    lane       TEXT NOT NULL,
    kind       TEXT NOT NULL,
    message    TEXT NOT NULL,
    remedy     TEXT NOT NULL,
    heals      INTEGER NOT NULL,
    until      INTEGER NOT NULL,
    first      INTEGER NOT NULL,
    last       INTEGER NOT NULL,
    count      INTEGER NOT NULL DEFAULT 1,
    resolved   INTEGER NOT NULL DEFAULT 0
);
CREATE UNIQUE INDEX troubles_open ON troubles (connection, stream, lane, kind) WHERE resolved = 0;
CREATE INDEX troubles_resolved ON troubles (connection, id) WHERE resolved > 0;
