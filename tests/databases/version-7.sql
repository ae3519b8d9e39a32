PRAGMA user_version = 7;
CREATE TABLE clients (
    id TEXT PRIMARY KEY,
    session_n INTEGER NOT NULL DEFAULT 0,
    session TEXT,
    instance TEXT,
    past_instances TEXT NOT NULL DEFAULT '[]',
    session_at INTEGER,
    rev INTEGER NOT NULL DEFAULT 1,
    agent TEXT,
    shared TEXT NOT NULL DEFAULT '[]',
    labels TEXT NOT NULL DEFAULT '{}',
    last_seen INTEGER NOT NULL,
    conflicts INTEGER NOT NULL DEFAULT 0,
    conflict_at INTEGER,
    conflict_hostname TEXT
  , update_order TEXT) STRICT;
CREATE TABLE labels (
    key TEXT NOT NULL,
    value TEXT NOT NULL,
    client_id TEXT NOT NULL REFERENCES clients (id),
    PRIMARY KEY (key, value, client_id)
  ) STRICT, WITHOUT ROWID;
CREATE TABLE downloads (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    client_id TEXT NOT NULL REFERENCES clients (id),
    kind TEXT NOT NULL,
    path TEXT,
    priority INTEGER NOT NULL,
    policy TEXT NOT NULL,
    note TEXT,
    batch_id TEXT,
    naming TEXT NOT NULL,
    status TEXT NOT NULL,
    reason TEXT,
    detail TEXT,
    attempt INTEGER NOT NULL DEFAULT 0,
    source TEXT,
    whole INTEGER NOT NULL DEFAULT 0,
    size INTEGER,
    bytes_received INTEGER NOT NULL DEFAULT 0,
    bytes_resent INTEGER NOT NULL DEFAULT 0,
    mismatches INTEGER NOT NULL DEFAULT 0,
    sha256 TEXT,
    verified INTEGER NOT NULL DEFAULT 0,
    name TEXT,
    source_path TEXT,
    source_modified INTEGER,
    created_at INTEGER NOT NULL,
    started_at INTEGER,
    completed_at INTEGER,
    expires_in INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    removed_at INTEGER
  , asked_by TEXT) STRICT;
CREATE TABLE names (
    key TEXT PRIMARY KEY,
    download_id TEXT NOT NULL
  ) STRICT, WITHOUT ROWID;
CREATE TABLE chunks (
    download_id TEXT NOT NULL,
    attempt INTEGER NOT NULL,
    start INTEGER NOT NULL,
    end INTEGER NOT NULL,
    digest TEXT NOT NULL,
    tag TEXT NOT NULL,
    PRIMARY KEY (download_id, attempt, start)
  ) STRICT, WITHOUT ROWID;
CREATE TABLE idempotency (
    key TEXT PRIMARY KEY,
    request TEXT NOT NULL,
    download_ids TEXT NOT NULL,
    created_at INTEGER NOT NULL
  ) STRICT, WITHOUT ROWID;
CREATE TABLE tokens (
    id TEXT PRIMARY KEY,
    hash TEXT NOT NULL UNIQUE,
    name TEXT NOT NULL,
    role TEXT NOT NULL,
    content INTEGER NOT NULL,
    clients TEXT,
    paths TEXT,
    created_at INTEGER NOT NULL,
    expires_at INTEGER,
    revoked_at INTEGER
  ) STRICT;
CREATE TABLE enrolments (
    id TEXT PRIMARY KEY,
    hash TEXT NOT NULL UNIQUE,
    clients TEXT NOT NULL,
    labels TEXT NOT NULL,
    uses_left INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    revoked_at INTEGER
  ) STRICT;
CREATE TABLE credentials (
    id TEXT PRIMARY KEY,
    client_id TEXT NOT NULL,
    public_key TEXT,
    hash TEXT UNIQUE,
    enrolment_id TEXT,
    created_at INTEGER NOT NULL,
    proven_at INTEGER,
    revoked_at INTEGER
  ) STRICT;
CREATE TABLE session_tokens (
    hash TEXT PRIMARY KEY,
    client_id TEXT NOT NULL,
    session TEXT NOT NULL,
    credential_id TEXT NOT NULL,
    expires_at INTEGER NOT NULL
  ) STRICT, WITHOUT ROWID;
CREATE TABLE secrets (name TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE audit (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    at INTEGER NOT NULL,
    actor TEXT NOT NULL,
    address TEXT NOT NULL,
    action TEXT NOT NULL,
    client_id TEXT,
    path TEXT,
    download_id TEXT,
    status INTEGER NOT NULL,
    code TEXT
  ) STRICT;
CREATE TABLE events (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    at INTEGER NOT NULL,
    type TEXT NOT NULL,
    client_id TEXT NOT NULL,
    download_id TEXT,
    attempt INTEGER,
    status TEXT,
    reason TEXT,
    size INTEGER,
    bytes_received INTEGER,
    bytes_resent INTEGER,
    sha256 TEXT,
    version TEXT,
    replaced INTEGER
  ) STRICT;
CREATE TABLE event_log (
    one INTEGER PRIMARY KEY CHECK (one = 1),
    epoch INTEGER NOT NULL,
    forgotten INTEGER NOT NULL
  ) STRICT;
CREATE TABLE webhooks (endpoint TEXT PRIMARY KEY, position TEXT NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE deliveries (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    endpoint TEXT NOT NULL,
    event TEXT NOT NULL,
    at INTEGER NOT NULL,
    body TEXT NOT NULL,
    attempts INTEGER NOT NULL DEFAULT 0,
    next_at INTEGER NOT NULL,
    last_status INTEGER,
    UNIQUE (endpoint, event)
  ) STRICT;
INSERT INTO clients VALUES ('shop_away',1,'1.Z0OF8Zln7ITQ2Fzs','instance-of-shop_away','["instance-of-shop_away"]',1795368340742,3,'{"version":"0.0.1","platform":"linux-x64","hostname":"till"}','["/srv"]','{"region":"north"}',1795368340743,0,NULL,NULL,NULL);
INSERT INTO clients VALUES ('shop_busy',1,'1.4CQOY392IpBVHqnP','instance-of-shop_busy','["instance-of-shop_busy"]',1795368340683,3,'{"version":"0.0.1","platform":"linux-x64","hostname":"till"}','["/srv"]','{"region":"north"}',1795368340719,0,NULL,NULL,NULL);
INSERT INTO clients VALUES ('shop_done',1,'1.Ltji0U9yJ5lCELiV','instance-of-shop_done','["instance-of-shop_done"]',1795368340496,5,'{"version":"0.0.1","platform":"linux-x64","hostname":"till"}','["/srv"]','{"region":"north"}',1795368340570,0,NULL,NULL,NULL);
INSERT INTO clients VALUES ('shop_late',1,'1.oUywDBlDeKmNKk2S','instance-of-shop_late','["instance-of-shop_late"]',1795368340772,4,'{"version":"0.0.1","platform":"linux-x64","hostname":"till"}','["/srv"]','{"region":"north"}',1795368340773,0,NULL,NULL,NULL);
INSERT INTO clients VALUES ('shop_lost',1,'1.3WPoQ0crWf_QBOQn','instance-of-shop_lost','["instance-of-shop_lost"]',1795368340722,4,'{"version":"0.0.1","platform":"linux-x64","hostname":"till"}','["/srv"]','{"region":"north"}',1795368340724,0,NULL,NULL,NULL);
INSERT INTO clients VALUES ('shop_void',1,'1.3L7aqFCTmy-K9q_z','instance-of-shop_void','["instance-of-shop_void"]',1795368340753,4,'{"version":"0.0.1","platform":"linux-x64","hostname":"till"}','["/srv"]','{"region":"north"}',1795368340755,0,NULL,NULL,NULL);
INSERT INTO labels VALUES ('region','north','shop_away');
INSERT INTO labels VALUES ('region','north','shop_busy');
INSERT INTO labels VALUES ('region','north','shop_done');
INSERT INTO labels VALUES ('region','north','shop_late');
INSERT INTO labels VALUES ('region','north','shop_lost');
INSERT INTO labels VALUES ('region','north','shop_void');
INSERT INTO downloads VALUES (1,'1e429458-d060-4c64-b4dd-830b22eeadfe','shop_done','file','menu.txt',0,'fail','night',NULL,'plain','completed',NULL,NULL,1,'size-300000',0,300000,300000,0,0,'e2fc750eb4a0b74270fbe0f6d07b25f6797bb2b1b626b0c6fe626ef7d6e4a973',1,'shop_done_menu.txt','/srv/menu.txt',NULL,1795368340516,1795368340541,1795368340675,604800000,1795973140516,NULL,NULL);
INSERT INTO downloads VALUES (2,'fb9a81e3-265d-4c7f-9386-6a8df7c0a34a','shop_busy','file','menu.txt',0,'size-only','night',NULL,'plain','transferring',NULL,NULL,1,'size-300000',0,300000,131072,0,0,NULL,0,NULL,'/srv/menu.txt',NULL,1795368340689,1795368340701,NULL,604800000,1795973140689,NULL,NULL);
INSERT INTO downloads VALUES (3,'29f5ef18-89ed-4802-818d-c79da90a1e08','shop_lost','file','menu.txt',0,'fail','night',NULL,'plain','failed','not-found','It does not exist.',0,NULL,0,NULL,0,0,0,NULL,0,NULL,NULL,NULL,1795368340729,NULL,1795368340736,604800000,1795973140729,NULL,NULL);
INSERT INTO downloads VALUES (4,'a821d31d-ced1-4e20-b0d9-1193784b51a3','shop_away','file','menu.txt',5,'fail','night',NULL,'plain','queued',NULL,NULL,0,NULL,0,NULL,0,0,0,NULL,0,NULL,NULL,NULL,1795368340748,NULL,NULL,604800000,1795973140748,NULL,NULL);
INSERT INTO downloads VALUES (5,'2e611036-5f71-4a24-831a-5df6e5965bc2','shop_void','file','menu.txt',0,'fail','night',NULL,'plain','cancelled','cancelled',NULL,0,NULL,0,NULL,0,0,0,NULL,0,NULL,NULL,NULL,1795368340758,NULL,1795368340764,604800000,1795973140758,NULL,NULL);
INSERT INTO downloads VALUES (6,'bf6d648c-626c-4631-8aa1-233f59472f87','shop_late','file','menu.txt',0,'fail','night',NULL,'plain','expired','expired',NULL,0,NULL,0,NULL,0,0,0,NULL,0,NULL,NULL,NULL,1795368340776,NULL,1795368342372,1000,1795368341776,NULL,NULL);
INSERT INTO names VALUES ('shop_done_menu.txt','1e429458-d060-4c64-b4dd-830b22eeadfe');
INSERT INTO chunks VALUES ('1e429458-d060-4c64-b4dd-830b22eeadfe',1,0,100000,'c67a3ca61db37b1e3620f1e2e9ea91a6e05015aec62f516e0563dab9408685ca','');
INSERT INTO chunks VALUES ('1e429458-d060-4c64-b4dd-830b22eeadfe',1,100000,300000,'f803a797a158eb4539558b6eaf837a36aca7b38b7f6bc8ac1cb3f1a7f3ff9a94','');
INSERT INTO chunks VALUES ('fb9a81e3-265d-4c7f-9386-6a8df7c0a34a',1,0,65536,'ea9e9dcd74dba31365624c55f76c9a66660627b5a43f221aac325a3eba18c20d','');
INSERT INTO chunks VALUES ('fb9a81e3-265d-4c7f-9386-6a8df7c0a34a',1,131072,196608,'f4763f833f2c84b89c8639e75804443a7c76934add8f294be8144a06a567a9a0','');
INSERT INTO audit VALUES (1,1795368340523,'anyone','127.0.0.1','POST /downloads','shop_done','menu.txt','1e429458-d060-4c64-b4dd-830b22eeadfe',202,NULL);
INSERT INTO audit VALUES (2,1795368340692,'anyone','127.0.0.1','POST /downloads','shop_busy','menu.txt','fb9a81e3-265d-4c7f-9386-6a8df7c0a34a',202,NULL);
INSERT INTO audit VALUES (3,1795368340731,'anyone','127.0.0.1','POST /downloads','shop_lost','menu.txt','29f5ef18-89ed-4802-818d-c79da90a1e08',202,NULL);
INSERT INTO audit VALUES (4,1795368340749,'anyone','127.0.0.1','POST /downloads','shop_away','menu.txt','a821d31d-ced1-4e20-b0d9-1193784b51a3',202,NULL);
INSERT INTO audit VALUES (5,1795368340760,'anyone','127.0.0.1','POST /downloads','shop_void','menu.txt','2e611036-5f71-4a24-831a-5df6e5965bc2',202,NULL);
INSERT INTO audit VALUES (6,1795368340767,'anyone','127.0.0.1','DELETE /downloads/{id}','shop_void','menu.txt','2e611036-5f71-4a24-831a-5df6e5965bc2',200,NULL);
INSERT INTO audit VALUES (7,1795368340778,'anyone','127.0.0.1','POST /downloads','shop_late','menu.txt','bf6d648c-626c-4631-8aa1-233f59472f87',202,NULL);
INSERT INTO events VALUES (1,1795368340497,'client.connected','shop_done',NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,'0.0.1',0);
INSERT INTO events VALUES (10,1795368340729,'download.queued','shop_lost','29f5ef18-89ed-4802-818d-c79da90a1e08',0,'queued',NULL,NULL,0,0,NULL,NULL,NULL);
INSERT INTO events VALUES (11,1795368340736,'download.failed','shop_lost','29f5ef18-89ed-4802-818d-c79da90a1e08',0,'failed','not-found',NULL,0,0,NULL,NULL,NULL);
INSERT INTO events VALUES (12,1795368340742,'client.connected','shop_away',NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,'0.0.1',0);
INSERT INTO events VALUES (13,1795368340748,'download.queued','shop_away','a821d31d-ced1-4e20-b0d9-1193784b51a3',0,'queued',NULL,NULL,0,0,NULL,NULL,NULL);
INSERT INTO events VALUES (14,1795368340754,'client.connected','shop_void',NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,'0.0.1',0);
INSERT INTO events VALUES (15,1795368340759,'download.queued','shop_void','2e611036-5f71-4a24-831a-5df6e5965bc2',0,'queued',NULL,NULL,0,0,NULL,NULL,NULL);
INSERT INTO events VALUES (16,1795368340765,'download.cancelled','shop_void','2e611036-5f71-4a24-831a-5df6e5965bc2',0,'cancelled','cancelled',NULL,0,0,NULL,NULL,NULL);
INSERT INTO events VALUES (17,1795368340772,'client.connected','shop_late',NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,'0.0.1',0);
INSERT INTO events VALUES (18,1795368340777,'download.queued','shop_late','bf6d648c-626c-4631-8aa1-233f59472f87',0,'queued',NULL,NULL,0,0,NULL,NULL,NULL);
INSERT INTO events VALUES (19,1795368342373,'download.expired','shop_late','bf6d648c-626c-4631-8aa1-233f59472f87',0,'expired','expired',NULL,0,0,NULL,NULL,NULL);
INSERT INTO events VALUES (2,1795368340520,'download.queued','shop_done','1e429458-d060-4c64-b4dd-830b22eeadfe',0,'queued',NULL,NULL,0,0,NULL,NULL,NULL);
INSERT INTO events VALUES (3,1795368340543,'download.begun','shop_done','1e429458-d060-4c64-b4dd-830b22eeadfe',1,'transferring',NULL,300000,0,0,NULL,NULL,NULL);
INSERT INTO events VALUES (4,1795368340576,'download.verifying','shop_done','1e429458-d060-4c64-b4dd-830b22eeadfe',1,'verifying',NULL,300000,300000,0,NULL,NULL,NULL);
INSERT INTO events VALUES (5,1795368340676,'download.completed','shop_done','1e429458-d060-4c64-b4dd-830b22eeadfe',1,'completed',NULL,300000,300000,0,'e2fc750eb4a0b74270fbe0f6d07b25f6797bb2b1b626b0c6fe626ef7d6e4a973',NULL,NULL);
INSERT INTO events VALUES (6,1795368340684,'client.connected','shop_busy',NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,'0.0.1',0);
INSERT INTO events VALUES (7,1795368340690,'download.queued','shop_busy','fb9a81e3-265d-4c7f-9386-6a8df7c0a34a',0,'queued',NULL,NULL,0,0,NULL,NULL,NULL);
INSERT INTO events VALUES (8,1795368340701,'download.begun','shop_busy','fb9a81e3-265d-4c7f-9386-6a8df7c0a34a',1,'transferring',NULL,300000,0,0,NULL,NULL,NULL);
INSERT INTO events VALUES (9,1795368340722,'client.connected','shop_lost',NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,'0.0.1',0);
INSERT INTO event_log VALUES (1,1,0);
CREATE INDEX labels_of_client ON labels (client_id);
CREATE INDEX open_jobs ON downloads (client_id, priority DESC, seq) WHERE status IN ('queued', 'transferring');
CREATE INDEX open_expiry ON downloads (expires_at) WHERE status IN ('queued', 'transferring');
CREATE INDEX downloads_of_client ON downloads (client_id, seq);
CREATE INDEX downloads_by_status ON downloads (status, seq);
CREATE INDEX downloads_of_batch ON downloads (batch_id, seq) WHERE batch_id IS NOT NULL;
CREATE INDEX downloads_by_note ON downloads (note, seq) WHERE note IS NOT NULL;
CREATE INDEX idempotency_age ON idempotency (created_at);
CREATE INDEX taking_up ON downloads (client_id, id, size)
    WHERE status IN ('transferring', 'verifying', 'completed') AND removed_at IS NULL;
CREATE INDEX kept_parts ON downloads (completed_at) WHERE status IN ('failed', 'expired') AND source IS NOT NULL;
CREATE INDEX finished ON downloads (completed_at) WHERE status = 'completed' AND removed_at IS NULL;
CREATE INDEX half_removed ON downloads (seq) WHERE removed_at IS NOT NULL AND name IS NOT NULL;
CREATE INDEX downloads_of_client_by_status ON downloads (client_id, status, seq);
CREATE INDEX credentials_of_client ON credentials (client_id, created_at);
CREATE INDEX session_tokens_of_credential ON session_tokens (credential_id);
CREATE INDEX session_tokens_by_end ON session_tokens (expires_at);
CREATE INDEX audit_of_client ON audit (client_id, seq) WHERE client_id IS NOT NULL;
CREATE INDEX audit_of_actor ON audit (actor, seq);
CREATE TRIGGER audit_keeps_rows BEFORE DELETE ON audit BEGIN SELECT raise(ABORT, 'the audit is append-only'); END;
CREATE TRIGGER audit_keeps_values BEFORE UPDATE ON audit BEGIN SELECT raise(ABORT, 'the audit is append-only'); END;
CREATE INDEX events_of_download ON events (download_id, seq) WHERE download_id IS NOT NULL;
CREATE INDEX events_by_age ON events (at);
CREATE TRIGGER download_queued AFTER INSERT ON downloads BEGIN
    INSERT INTO events (at, type, client_id, download_id, attempt, status, reason, size, bytes_received, bytes_resent, sha256) VALUES (CAST(round(unixepoch('subsec') * 1000) AS INTEGER), 'download.queued', NEW.client_id, NEW.id, NEW.attempt, NEW.status, NEW.reason, NEW.size, NEW.bytes_received, NEW.bytes_resent, CASE WHEN NEW.status = 'completed' THEN NEW.sha256 END);
  END;
CREATE TRIGGER download_changed AFTER UPDATE OF status, attempt, removed_at ON downloads
    WHEN OLD.status <> NEW.status OR OLD.attempt <> NEW.attempt OR (OLD.removed_at IS NULL AND NEW.removed_at IS NOT NULL)
  BEGIN
    INSERT INTO events (at, type, client_id, download_id, attempt, status, reason, size, bytes_received, bytes_resent, sha256) VALUES (CAST(round(unixepoch('subsec') * 1000) AS INTEGER),
      CASE
        WHEN OLD.removed_at IS NULL AND NEW.removed_at IS NOT NULL THEN 'download.removed'
        WHEN OLD.attempt <> NEW.attempt OR NEW.status = 'transferring' THEN 'download.begun'
        WHEN NEW.status = 'queued' AND OLD.status IN ('transferring', 'verifying') THEN 'download.requeued'
        WHEN NEW.status = 'queued' THEN 'download.retried'
        ELSE 'download.' || NEW.status
      END, NEW.client_id, NEW.id, NEW.attempt, NEW.status, NEW.reason, NEW.size, NEW.bytes_received, NEW.bytes_resent, CASE WHEN NEW.status = 'completed' THEN NEW.sha256 END);
  END;
CREATE TRIGGER client_connected AFTER UPDATE OF session ON clients
    WHEN NEW.session IS NOT NULL AND OLD.session IS NOT NEW.session
  BEGIN
    INSERT INTO events (at, type, client_id, version, replaced)
    VALUES (CAST(round(unixepoch('subsec') * 1000) AS INTEGER), 'client.connected', NEW.id, json_extract(NEW.agent, '$.version'), OLD.session IS NOT NULL);
  END;
CREATE INDEX deliveries_due ON deliveries (endpoint, next_at, seq);
CREATE INDEX deliveries_in_order ON deliveries (endpoint, seq);
