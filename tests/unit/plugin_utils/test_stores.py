"""Databases and stores of artifacts that a server could not use, and those that it could."""

import pytest
from unit.plugin_utils.refusals import fault_of, faults, team

FOUR = "use sqlite:////absolute/path"
MEMORY = f"is a database in memory, which is lost whenever the server sleeps; {FOUR}"
MLFLOW_KNOWS = "is not a kind of database that MLflow knows; use postgresql, mysql, mssql or sqlite"
RELATIVE = "is a relative path, which is another"


@pytest.mark.parametrize("option", ["backend_store_uri", "auth_database_uri"])
@pytest.mark.parametrize(
    ("uri", "said"),
    [
        ("postgresql://u:canary@db/x", "names no driver; write postgresql+psycopg:// instead of postgresql://"),
        ("mysql://u:canary@db/x", "names no driver; write mysql+pymysql:// instead of mysql://"),
        ("postgres://u:canary@db/x", f"'postgres' {MLFLOW_KNOWS}"),
        ("oracle+oracledb://u:canary@db/x", f"'oracle' {MLFLOW_KNOWS}"),
        ("mariadb+pymysql://u:canary@db/x", f"'mariadb' {MLFLOW_KNOWS}"),
        ("databricks://canary", f"'databricks' {MLFLOW_KNOWS}"),
        ("http://canary", f"'http' {MLFLOW_KNOWS}"),
        ("file:///srv/canary", f"'file' {MLFLOW_KNOWS}"),
        ("/srv/canary", "is not a URI of a database; use one like postgresql+psycopg://user:password@host/name"),
        ("mlruns", "is not a URI of a database"),
        ("./mlruns", "is not a URI of a database"),
        ("postgresql+psycopg:canary", "is not a URI of a database"),
        (
            "postgresql+nosuch://u:canary@db/x",
            "'nosuch' is not a driver for postgresql; use psycopg or psycopg2 or pg8000",
        ),
        (
            "postgresql+psycopg2://u:canary@db/x",
            "postgresql+psycopg2:// needs psycopg2-binary, which is not in mlflow_server",
        ),
        ("mssql+pyodbc://u:canary@db/x", "mssql+pyodbc:// needs pyodbc, which is not in mlflow_server_extra_packages"),
        ("mysql+mysqldb://u:canary@db/x", "mysql+mysqldb:// needs mysqlclient, which is not in"),
        ("postgresql+psycopg://u:can@ary@db/x", "has more than one @; in user and password, write %40 instead"),
        ("postgresql+psycopg://u:canary@db:port/x", "has no number for a port"),
        ("postgresql+psycopg://u:canary@db:99999/x", "has no number for a port"),
        ("postgresql+psycopg://u:canary pass@db/x", "has blanks in it; in user and password, write %20 instead"),
        ("postgresql+psycopg://u:canary@db/x\n", "ends with a line break, which `echo` puts there"),
        ("postgresql+psycopg://u:{{ canary }}@db/x", "is still a template"),
        ("sqlite:///mlflow.db", f"{RELATIVE} file for each program; {FOUR}, with four slashes"),
        ("sqlite:///./mlflow.db", f"{RELATIVE} file for each program"),
        ("sqlite:///../other/mlflow.db", f"{RELATIVE} file for each program"),
        ("sqlite:///file:/srv/a/b.db?uri=true", f"{RELATIVE} file for each program"),
        ("sqlite://", MEMORY),
        ("sqlite:///", MEMORY),
        ("sqlite:///:memory:", MEMORY),
        ("sqlite:////srv/a/b.db?mode=memory", "'mode' may open another file than the one that is backed up"),
        ("sqlite:////srv/a/b.db?uri=true", "'uri' may open another file"),
        ("sqlite:////srv/a/b.db?timeout=1&vfs=x", "'vfs' may open another file"),
        ("sqlite+aiosqlite:////srv/a/b.db", "'aiosqlite' is not a driver that is installed for SQLite"),
        ("sqlite:////srv/a/../b/c.db", "'/srv/a/../b/c.db' has quotes, dollars, backslashes or '..'; use a plain path"),
        ("sqlite://///srv/a/b.db", "'//srv/a/b.db' has '//', which programs read differently; use one slash"),
        ("sqlite:////srv//a/b.db", "'/srv//a/b.db' has '//'"),
        ("sqlite:////srv/a/./b.db", "'/srv/a/./b.db' has '.' or '..'"),
        ("sqlite:////srv/a/%2e%2e/b.db", "'/srv/a/%2e%2e/b.db' has '%'"),
        ("sqlite:////srv/a/b.db#c", "'/srv/a/b.db#c' has '#'"),
        ("sqlite:////srv/a/b.db ", "'/srv/a/b.db ' has blanks at the end of a name"),
        ("sqlite:////srv/a/b\0.db", "has a NUL in it"),
        ("sqlite:////srv/a/b/", "'/srv/a/b/' is a directory; name a file in it"),
        ("sqlite:////mlflow.db", "'/mlflow.db' is to belong to the team alone; use a directory below it"),
        ("sqlite:////var/lib/mlflow.db", "'/var/lib/mlflow.db' is to belong to the team alone"),
        ("sqlite:////etc/mlflow/vision/mlflow.db", "is below /etc, which belongs to the system; use another place"),
        ("sqlite:////var/lib/mlflow/nlp/mlflow.db", "is below /var/lib/mlflow, but not the team's own"),
        ("sqlite:////srv/a/b.db?timeout=soon", "timeout is not a number; leave it out, or give one"),
        ("sqlite:////srv/a/b.db?timeout=", "timeout is not a number"),
        (
            "sqlite:////srv/a/b.db?isolation_level=canary",
            "isolation_level is none in it; leave it out, or use one of D",
        ),
        ("sqlite:////srv/a/b.db\u200b", "'/srv/a/b.db\\u200b' has characters that nobody sees; use a plain path"),
        ("sqlite:////srv/a/b\u202ebd.\u202c", "has characters that nobody sees"),
        ("sqlite:////srv/é/b.db", "'/srv/é/b.db' has letters beyond ASCII; use a plain path"),
        (f"sqlite:////srv/a/{'b' * 256}", "has a name of more than 255 bytes in it; use a shorter one"),
        (f"sqlite:////srv/{'a/' * 2100}b.db", "has more than 4095 bytes; use a shorter path"),
        ("sqlite://localhost//srv/a/b.db", "is a relative path"),
        ("SQLITE:////srv/a/b.db", f"'SQLITE' {MLFLOW_KNOWS}"),
        ("POSTGRESQL+PSYCOPG://u:canary@db/x", f"'POSTGRESQL' {MLFLOW_KNOWS}"),
        ("postgresql+asyncpg://u:canary@db/x", "'asyncpg' is not a driver for postgresql"),
        ("jdbc:postgresql://u:canary@db/x", "is not a URI of a database"),
        ("$CANARY", "is not a URI of a database"),
        ("postgresql+psycopg://", "names no database; end it with a slash and the name"),
        ("postgresql+psycopg:///", "names no database"),
        ("postgresql+psycopg://u:canary@db", "names no database"),
        ("postgresql+psycopg://u:canary@db/?sslmode=require", "names no database"),
        ("mysql+pymysql://u:canary@db", "names no database"),
        ("postgresql+psycopg://u:p@db/x/canary", "has a slash in the name of its database, or in a password"),
        ("postgresql+psycopg://u:canary@db/x?sslmode=on", "has a word for sslmode that is none; use one of disable,"),
        ("postgresql+psycopg://u:canary@db1:5432,db2:5432/x", "has no number for a port"),
        ("postgresql+psycopg://u:canary@db:\uff15\uff14/x", "has no number for a port"),
        ("postgresql+psycopg://u:canary@db:+5432/x", "has no number for a port"),
        ("postgresql+psycopg://u:canary@-db/x", "names no host that can be looked up; give a name or an address"),
        ("postgresql+psycopg://u:p@can$ary/x", "names no host that can be looked up"),
        ("postgresql+psycopg://u:canary@%2Frun%2Fpostgresql/x", "names no host that can be looked up"),
        ("postgresql+psycopg://u:canary@b\u00fccher.example.org/x", "names no host that can be looked up"),
        ("postgresql+psycopg://u:canary\u200b@db/x", "has characters in it that nobody sees; write it anew"),
        ("postgresql+psycopg://u:canary\u202e@db/x", "has characters in it that nobody sees"),
    ],
)
def test_databases_that_cannot_be(option, uri, said):
    assert said in fault_of(**{option: uri})
    assert fault_of(**{option: uri}).startswith(f"{option}: ")


@pytest.mark.parametrize(
    "uri",
    [
        "postgresql+psycopg://nlp:a%40b%2Fc@db.example.org/nlp",
        "postgresql+psycopg://db:5433/x?sslmode=require",
        "postgresql+psycopg:///runs?host=/run/postgresql",
        "postgresql+psycopg://u:p@[fd00::1]:5432/x",
        "mysql+pymysql://u:p@db/x?charset=utf8mb4",
        "sqlite:////srv/db/one.db?timeout=30",
        "sqlite+pysqlite:////srv/db/one.db",
        "sqlite:////var/lib/mlflow/vision/another.db",
        "sqlite:////srv/alpha 100% people/auth.db",
        "sqlite:////srv/db/one.db?timeout=30&isolation_level=IMMEDIATE&check_same_thread=false",
        "postgresql+psycopg://u:p@db1,db2/x?target_session_attrs=read-write",
        "postgresql+psycopg://u:p@/x?host=/run/postgresql&port=5433",
        "postgresql+psycopg:///?dbname=x&host=db",
        "postgresql+psycopg://u:p#q?r/s%25:t$@db_1.example.org./x?options=-csearch_path%3Dteam",
        "postgresql+psycopg://u:p%C3%A4@[fe80::1%25eth0]:5432/x?sslmode=verify-full",
        "mysql+pymysql://u:p@/x?unix_socket=/run/mysqld/mysqld.sock",
    ],
)
def test_databases_that_can_be(uri):
    assert faults(team(backend_store_uri=uri)) == []
    assert faults(team(auth_database_uri=uri)) == []


def destination(uri):
    return {"artifacts": {"destination": uri}}


def root(uri):
    return {"artifacts": {"serve": False, "root": uri}}


NO_STORE = "is not a store that a server can use; use s3, r2, b2, gs, wasbs, abfss, sftp, ftp or an absolute path"
PLACES = [
    ("", "is empty; leave it out"),
    (" ", "is empty; leave it out"),
    ("artifacts", "'artifacts' is a relative path"),
    ("./artifacts", "'./artifacts' is a relative path"),
    ("~/artifacts", "'~/artifacts' is a relative path"),
    (" /srv/a/b", "' /srv/a/b' is a relative path"),
    ("file:artifacts", "'file:artifacts' is not a file on this host; write it as file:///absolute/path"),
    ("file://server/share/a", "'file://server/share/a' is not a file on this host"),
    ("file:/srv/a/b", "'file:/srv/a/b' is not a file on this host"),
    ("FILE:///srv/a/b", f"'FILE' {NO_STORE}"),
    ("/srv/a/../b", "'/srv/a/../b' has quotes, dollars, backslashes or '..'; use a plain path"),
    ("/srv/a/%2e%2e/b", "'/srv/a/%2e%2e/b' has '%', which programs read differently"),
    ("/srv/a%2Fb/c", "'/srv/a%2Fb/c' has '%'"),
    ("file:///srv/a/%2e%2e/b", "'/srv/a/%2e%2e/b' has '%'"),
    ("/srv/a?b/c", "'/srv/a?b/c' has '?'"),
    ("/srv/a#b/c", "'/srv/a#b/c' has '#'"),
    ("file:///srv/a/b?x=/1", "'/srv/a/b?x=/1' has '?'"),
    ("/srv//a/b", "'/srv//a/b' has '//'"),
    ("//srv/a/b", "'//srv/a/b' has '//'"),
    ("file:////srv/a/b", "'//srv/a/b' has '//'"),
    ("/srv/a/./b", "'/srv/a/./b' has '.' or '..'"),
    ("/srv/a /b", "'/srv/a /b' has blanks at the end of a name"),
    ("/srv/a/b ", "'/srv/a/b ' has blanks at the end of a name"),
    ("/srv/a/b\n", "ends with a line break"),
    ("/srv/a/\0b", "has a NUL in it"),
    ("/srv/a/\x1bb", "'/srv/a/\\u001bb' has control characters"),
    ("/srv/{{ canary }}/b", "is still a template"),
    ("/", "'/' is to belong to the team alone; use a directory below it"),
    ("/srv", "'/srv' is to belong to the team alone"),
    ("/var/lib", "'/var/lib' is to belong to the team alone"),
    ("/etc", "is to belong to the team alone"),
    ("/etc/systemd", "'/etc/systemd' is below /etc, which belongs to the system; use another place"),
    ("/usr/share/a", "is below /usr, which belongs to the system"),
    ("/boot/a", "is below /boot, which belongs to the system"),
    ("/opt/mlflow/a", "is below /opt/mlflow, which belongs to the system"),
    ("/root/a", "is below /root, which the unit does not see"),
    ("/home/a/b", "is below /home, which the unit does not see"),
    ("/var/lib/mlflow", "is below /var/lib/mlflow, "),
    ("/var/lib/mlflow/nlp/artifacts", "is below /var/lib/mlflow, "),
    ("gs://bucket/a", "gs:// needs google-cloud-storage, which is not in mlflow_server_extra_packages; add it there"),
    ("wasbs://c@account.blob.core.windows.net/a", "wasbs:// needs azure-storage-blob, which is not in"),
    ("abfss://c@account.dfs.core.windows.net/a", "abfss:// needs azure-storage-file-datalake, which is not in"),
    ("sftp://host/a", "sftp:// needs pysftp, which is not in"),
    ("hdfs://host/a", f"'hdfs' {NO_STORE}"),
    ("viewfs://host/a", f"'viewfs' {NO_STORE}"),
    ("dbfs:/a", f"'dbfs' {NO_STORE}"),
    ("http://host/a", f"'http' {NO_STORE}"),
    ("https://host/a", f"'https' {NO_STORE}"),
    ("mlflow-artifacts:/a", f"'mlflow-artifacts' {NO_STORE}"),
    ("runs:/1/a", f"'runs' {NO_STORE}"),
    ("nosuch://a/b", f"'nosuch' {NO_STORE}"),
    ("S3://bucket/a", f"'S3' {NO_STORE}"),
    ("s3:bucket", "'s3:bucket' names no bucket or host; use one like s3://bucket/path"),
    ("s3:///a", "'s3:///a' names no bucket or host"),
    ("s3://", "'s3://' names no bucket or host"),
    ("s3://bucket/a/../b", "'s3://bucket/a/../b' has '.' or '..'"),
    ("s3://bucket//a", "'s3://bucket//a' has '//'"),
    ("s3://bucket/a?x=/1", "'s3://bucket/a?x=/1' has '?'"),
    ("s3://bucket/a#b", "'s3://bucket/a#b' has '#'"),
    ("s3://bucket/a%2Fb", "'s3://bucket/a%2Fb' has '%'"),
    ("s3://key:canary@bucket/a", "s3:// is not followed by the name of a bucket alone; use s3://bucket/path, and"),
    ("s3://canary@bucket", "s3:// is not followed by the name of a bucket alone"),
    ("s3://minio.example.org:9000/bucket", "s3:// is not followed by the name of a bucket alone"),
    ("s3://-bucket", "s3:// is not followed by the name of a bucket alone"),
    ("s3://a..b", "s3:// is not followed by the name of a bucket alone"),
    ("s3://b\u00fccket", "s3:// is not followed by the name of a bucket alone"),
    ("s3://bucket/\u202etfel", "'s3://bucket/\\u202etfel' has characters that nobody sees"),
    ("s3://bucket/a ", "'s3://bucket/a ' has blanks at the end of a name"),
    ("r2://bucket/a", "r2:// is not followed by both names that it needs; use one like r2://bucket@account.r2."),
    ("b2://bucket", "b2:// is not followed by both names that it needs; use one like b2://bucket@endpoint/path"),
    ("ftp://u:canary@host//a", "'ftp://…@host//a' has '//'"),
    ("file://localhost/srv/a/b", "is not a file on this host"),
    ("C:\\srv\\a", "'C' is not a store that a server can use"),
    ("/srv/a/b\u200b", "'/srv/a/b\\u200b' has characters that nobody sees; use a plain path"),
    ("/srv/b\u00fccher/a", "'/srv/b\u00fccher/a' has letters beyond ASCII; use a plain path"),
    ("/srv/bu\u0308cher/a", "has letters beyond ASCII; use a plain path"),
    ("$HOME/artifacts", "is a relative path"),
    ("/srv/${TEAM}/a", "has quotes, dollars, backslashes or '..'"),
]
AZURE = ["azure-storage-blob", "azure-storage-file-datalake"]


@pytest.mark.parametrize(
    "uri", ["wasbs://container/a", "wasbs://container@/a", "abfss://account.dfs.core.windows.net/a"]
)
def test_containers_without_an_account(uri):
    (line,) = faults(team(**destination(uri)), packages=[*AZURE, "psycopg"])
    assert "is not followed by both names that it needs; use one like " in line


@pytest.mark.parametrize(("uri", "said"), PLACES)
def test_places_for_artifacts_that_cannot_be(uri, said):
    assert said in fault_of(**destination(uri))
    assert fault_of(**destination(uri)).startswith("artifacts: destination: ")


@pytest.mark.parametrize(("uri", "said"), [place for place in PLACES if place[0]])
def test_roots_that_cannot_be(uri, said):
    assert said in fault_of(**root(uri))
    assert fault_of(**root(uri)).startswith("artifacts: root: ")


@pytest.mark.parametrize(
    "uri", ["/srv/vision/100% artifacts", "file:///srv/big%20disk/vision", "s3://bucket", "s3://b/a b/c", "r2://a@b/c"]
)
def test_places_for_artifacts_that_can_be(uri):
    assert faults(team(**destination(uri))) == []
    assert faults(team(**root(uri))) == []


@pytest.mark.parametrize(
    ("settings", "package"),
    [
        (destination("gs://bucket/a"), "google-cloud-storage>=2"),
        (destination("abfss://c@account/a"), "azure_storage_file.datalake[aio] ; python_version > '3'"),
        ({"backend_store_uri": "postgresql+psycopg2://db/x"}, "psycopg2"),
        ({"backend_store_uri": "mssql+pymssql://db/x"}, "pymssql==2.3.1"),
    ],
)
def test_what_is_installed_can_be_used(settings, package):
    assert len(faults(team(**settings))) == 1
    assert faults(team(**settings), packages=[package]) == []


def test_what_is_not_installed_cannot_be_used():
    (line,) = faults(team(**destination("s3://bucket")), packages=["psycopg[binary]"])
    assert "s3:// needs boto3, which is not in mlflow_server_extra_packages; add it there" in line


@pytest.mark.parametrize(
    "settings",
    [
        destination("/var/lib/mlflow/vision"),
        {"backend_store_uri": "sqlite:////srv/v/artifacts/db/x.db", **destination("/srv/v/artifacts")},
        {"auth_database_uri": "sqlite:////srv/v/artifacts/x.db", **destination("file:///srv/v/artifacts")},
        {"auth_database_uri": "sqlite:////var/lib/mlflow/vision/artifacts/x.db"},
    ],
)
def test_no_database_where_people_fetch_artifacts(settings):
    line = fault_of(**settings)
    assert line.startswith("artifacts: destination: the database /")
    assert line.endswith("where people fetch artifacts; part them")


def test_one_file_in_two_spellings():
    one, other = "sqlite:////srv/db/x.db", "sqlite+pysqlite:////srv/db/x.db?timeout=9"
    line = fault_of(backend_store_uri=one, auth_database_uri=other)
    assert line == "auth_database_uri: is the file of backend_store_uri in another spelling; leave it out"


@pytest.mark.parametrize(
    "other",
    [
        "postgresql+psycopg://u:canary@db:5432/x",
        "postgresql+psycopg://v:canary@DB/x",
        "postgresql+psycopg2://u:canary@db/x",
        "postgresql+psycopg://u:canary@db/x?sslmode=require",
        "postgresql+psycopg:///x?host=db",
    ],
)
def test_one_database_in_two_spellings(other):
    (line,) = faults(
        team(backend_store_uri="postgresql+psycopg://u:canary@db/x", auth_database_uri=other),
        packages=["psycopg", "psycopg2"],
    )
    assert line.endswith("auth_database_uri: is the database of backend_store_uri in another spelling; leave it out")


def test_two_schemas_of_one_database_are_two():
    other = "postgresql+psycopg://u:p@db/x?options=-csearch_path%3Dauth"
    assert faults(team(backend_store_uri="postgresql+psycopg://u:p@db/x", auth_database_uri=other)) == []


def test_a_database_beside_artifacts_on_one_disk_is_fine():
    assert (
        faults(team(backend_store_uri="sqlite:////srv/vision/mlflow.db", **destination("/srv/vision/artifacts"))) == []
    )
