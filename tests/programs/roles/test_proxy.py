"""What the proxy's role sees on its host, and refuses before anything."""

import contextlib
import json
import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

import jinja2
import pytest

PLAYBOOK = """
- hosts: localhost
  gather_facts: false
  tasks:
    - ansible.builtin.set_fact:
        __mlflow_proxy_declared: "{{ query('mlops.mlflow.all_teams', from_host='localhost', resolve=true) | first }}"
    - ansible.builtin.assert:
        that: __mlflow_proxy_problems | length == 0
        fail_msg: "{{ __mlflow_proxy_problems | join(' AND ') }}"
  vars_files: [ROLE/defaults/main.yml, ROLE/vars/main/main.yml]
"""


@pytest.fixture
def role(request):
    return request.config.rootpath / "roles" / "mlflow_proxy"


@pytest.fixture
def check(role, request, tmp_path):
    """Let the role check what it is given."""

    def run(inventory="localhost,", **given):
        file = tmp_path / "play.yml"
        file.write_text(PLAYBOOK.replace("ROLE", str(role)))
        given = {"mlflow_proxy_domain": "mlflow.example.org", "mlflow_proxy_tls_from_controller": True, **given}
        collections = str(request.config.rootpath / "build" / "checkout")
        done = subprocess.run(
            ["ansible-playbook", "-i", inventory, "-c", "local", "-e", json.dumps(given), str(file)],
            env={**os.environ, "ANSIBLE_NOCOLOR": "1", "ANSIBLE_COLLECTIONS_PATH": collections},
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
        )
        return done.returncode, done.stdout + done.stderr

    return run


def test_names_the_files_that_the_controller_does_not_have(check, tmp_path):
    certificate, key = tmp_path / "site.pem", tmp_path / "site.key"
    given = {"mlflow_proxy_tls_certificate": str(certificate), "mlflow_proxy_tls_key": str(key)}
    certificate.touch()
    code, output = check(**given)
    assert (code, f"mlflow_proxy_tls_key: the controller has no {key}" in output) == (2, True), output
    assert "mlflow_proxy_tls_certificate: the controller" not in output
    key.touch()
    code, output = check(**given)
    assert code == 0, output


@pytest.mark.parametrize(
    "name",
    ["mlflow_proxy_domain", "mlflow_proxy_shared_address", "mlflow_proxy_tls_certificate", "mlflow_proxy_tls_key"],
)
def test_names_what_has_no_value(check, name):
    code, output = check(**{name: None})
    assert (code, f"{name}: 'None' is not a valid " in output) == (2, True), output


def test_names_a_team_that_nobody_has(check, tmp_path):
    teams = [{"name": "vision", "port": 5001, "admin_password": "correct horse battery"}]
    servers = {"hosts": {"localhost": {"mlflow_teams": teams}}}
    (tmp_path / "hosts.json").write_text(json.dumps({"mlflow_servers": servers}))
    given = {name: f"/etc/site.{name[-3:]}" for name in ("mlflow_proxy_tls_certificate", "mlflow_proxy_tls_key")}
    given["mlflow_proxy_tls_from_controller"] = False
    assert check(inventory="hosts.json", mlflow_proxy_teams=["vision"], **given)[0] == 0
    code, output = check(inventory="hosts.json", mlflow_proxy_teams=["vision", "visoin"], **given)
    assert (code, "mlflow_proxy_teams: no team is called visoin; use names" in output) == (2, True), output


NGINX = """#!/bin/sh
if test "$1" = -v; then
    echo nginx version: nginx/1.26.3 >&2
else
    cat DUMP
fi
"""


@pytest.fixture
def look(role, tmp_path):
    """Look at a host whose nginx prints what it reads, or why it does not."""

    def run(dump="", *files, address="", beside=False):
        (tmp_path / "dump").write_text(dump)
        (tmp_path / "nginx").write_text(NGINX.replace("DUMP", f"{tmp_path}/dump; exit {int('[emerg]' in dump)}"))
        (tmp_path / "nginx").chmod(0o755)
        program, others = ((role / "files" / name).read_text() for name in ("inspect.sh", "others.awk"))
        done = subprocess.run(
            [
                "sh",
                "-c",
                program,
                "inspect",
                others,
                "/no/sites",
                "/no/limits",
                str(tmp_path),
                f"{tmp_path}/of teams",
                f"{tmp_path}/keepalived.conf",
                address,
                *files,
            ],
            env={"PATH": f"{tmp_path}:/usr/bin:/bin"},
            capture_output=True,
            text=True,
            check=True,
        )
        assert done.stderr == ""
        # This machine may have programs under any account.
        passed_over = "ipv6" if beside else ("ipv6", "beside ")
        return [line.rstrip() for line in done.stdout.splitlines() if not line.startswith(passed_over)]

    return run


def test_says_which_collection_is_missing_before_anything(check, tmp_path, monkeypatch):
    given = {"mlflow_proxy_tls_from_controller": False}
    assert check(**given)[0] == 0
    # Without the bundle of the ansible package, as with ansible-core alone.
    monkeypatch.setenv("ANSIBLE_COLLECTIONS_SCAN_SYS_PATH", "false")
    code, output = check(**given)
    assert (code, "ansible-galaxy collection install community.crypto" in output) == (2, True), output
    certificate, key = tmp_path / "site.pem", tmp_path / "site.key"
    certificate.touch()
    key.touch()
    assert check(mlflow_proxy_tls_certificate=str(certificate), mlflow_proxy_tls_key=str(key))[0] == 0


def test_sees_copies_and_what_is_missing(look, tmp_path):
    copy, own = tmp_path / f"{'0a' * 32}.pem", tmp_path / "server.pem"
    copy.touch()
    own.touch()
    found = look("", str(own), "/no/such.pem", str(own))
    assert found == ["nginx 1.26.3", f"copy {copy}", "missing /no/such.pem", f"expires {own}"]


def test_sees_of_which_teams_it_shows_what_they_use(look, tmp_path):
    for name in ("nlp", "vision"):
        (tmp_path / "of teams" / name).mkdir(parents=True)
    (tmp_path / "of teams" / "usage.html").touch()
    assert sorted(look("")) == ["nginx 1.26.3", "part nlp", "part vision"]


@pytest.fixture
def working(tmp_path):
    """Start programs under an account, and give the name of it; one has more in its name than a name should have."""
    odd = tmp_path / "a {{ 1 }}"
    shutil.copy("/bin/sleep", odd)
    becoming = "import os, time; os.setresuid(-1, 0, pwd.getpwnam('games').pw_uid); print(flush=True); time.sleep(300)"
    as_games = ["setpriv", "--reuid=games", "--clear-groups"]
    commands = [
        [*as_games, str(odd), "300"],
        # Who may become it again.
        [sys.executable, "-c", f"import pwd; {becoming}"],
        # Who is in a container, or somebody else.
        ["unshare", "--pid", "--fork", "--kill-child", "sh", "-c", f"{' '.join(as_games)} sleep 300; :"],
        ["setpriv", "--reuid=daemon", "--clear-groups", "tail", "-f", "/dev/null"],
    ]
    with contextlib.ExitStack() as started:
        for command in commands:
            started.callback(started.enter_context(subprocess.Popen(command, stdout=subprocess.PIPE)).kill)
        yield "games"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can work as somebody else")
def test_sees_who_else_has_the_account_of_nginx(look, working):
    dump = f"# configuration file /etc/nginx/nginx.conf:\nuser {working};\n"
    # They are in the unit in which this runs, if it is one.
    units = re.findall(r"/([^/\n]*\.(?:service|scope))", Path("/proc/self/cgroup").read_text())
    expected = [f"beside {it}" for it in (units[-1:] or ["a  1", Path(sys.executable).name])]

    def beside(text):
        return [line for line in look(text, beside=True) if line.startswith("beside ")]

    end = time.monotonic() + 60
    while (seen := beside(dump)) != expected:
        assert time.monotonic() < end, seen
        time.sleep(0.1)
    for other in ("nobody-of-this-name", "root"):
        assert beside(dump.replace(working, other)) == []


def test_sees_whose_configuration_keepalived_has(look, role, tmp_path):
    file = tmp_path / "keepalived.conf"
    file.write_text("global_defs {\n}\n")
    assert look("") == ["nginx 1.26.3", "keepalived other"]
    file.write_text((role / "templates" / "keepalived.conf.j2").read_text())
    assert look("") == ["nginx 1.26.3", "keepalived own", "keepalived unread"]
    (tmp_path / "systemctl").write_text("#!/bin/sh\necho @$(($(date +%s) + 1))\n")
    (tmp_path / "systemctl").chmod(0o755)
    assert look("") == ["nginx 1.26.3", "keepalived own"]


@pytest.mark.parametrize(
    ("address", "seen"), [("127.0.0.1", ["interface lo"]), ("192.0.2.77", []), ("::1", ["interface lo"])]
)
def test_sees_which_interface_has_the_proxys_own_address(look, address, seen):
    assert look("", address=address) == ["nginx 1.26.3", *seen]


@pytest.mark.parametrize(
    ("shared", "line"), [("192.0.2.10/24", "192.0.2.10/24"), ("fd00::10/64", "fd00::10/64 preferred_lft 0")]
)
def test_a_proxy_speaks_to_servers_from_its_own_address(role, shared, line):
    text = (role / "templates" / "keepalived.conf.j2").read_text()
    given = {"own": "x", "peers": ["y"], "priority": 1}
    rendered = jinja2.Template(text).render(mlflow_proxy_shared_address=shared, __mlflow_proxy_sharing=given)
    assert line in map(str.strip, rendered.splitlines())


SHARED = {
    "mlflow_proxy_shared_address": "192.0.2.10/24",
    "mlflow_proxy_address": "192.0.2.1",
    "mlflow_proxy_tls_from_controller": False,
}
FILES = {"mlflow_proxy_tls_certificate": "/etc/ssl/site.pem", "mlflow_proxy_tls_key": "/etc/ssl/site.key"}


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({}, "mlflow_proxy_tls_certificate: each proxy would show a certificate of its own CA"),
        ({"mlflow_proxy_acme": True}, "mlflow_proxy_acme, mlflow_proxy_shared_address: the ACME server would ask"),
        (
            {**FILES, "mlflow_proxy_shared_address": "192.0.2.10"},
            "is not a valid address with the length of its prefix",
        ),
        ({**FILES, "mlflow_proxy_virtual_router_id": 0}, "'0' is not a valid number of a virtual router"),
        ({**FILES, "mlflow_proxy_address": "proxy1.example.org"}, "and its own IPv4 address is not known"),
        ({**FILES, "mlflow_proxy_address": "192.0.2.10"}, "192.0.2.10 is localhost's own"),
    ],
)
def test_an_address_that_cannot_be_shared_is_refused(check, changes, said):
    assert check(**{**SHARED, **FILES})[0] == 0
    code, output = check(**{**SHARED, **changes})
    assert (code, said in output) == (2, True), output


MAIN = "# configuration file /etc/nginx/nginx.conf:"
SITE = "/etc/nginx/sites-enabled/intranet"


@pytest.mark.parametrize(
    ("text", "seen"),
    [
        ("user www-data;", ["user www-data www-data"]),
        ("user  nobody;", ["user nobody nogroup"]),
        ("  user nobody www-data; # ours", ["user nobody www-data"]),
        ("# user nobody;", []),
        ("events { worker_connections 768; }", ["connections 768"]),
        ("worker_rlimit_nofile\n  4096;", ["sets worker_rlimit_nofile /etc/nginx/nginx.conf 4096"]),
        (
            f"http {{ include x; }}\n# configuration file {SITE}:\nserver_names_hash_bucket_size 64;",
            [f"sets server_names_hash_bucket_size {SITE} 64"],
        ),
        # What is in quotes ends nothing, and is no comment.
        ('server {\nadd_header X "a #b"; listen 443 ssl; # a "b\n}', ["listens *:443 /etc/nginx/nginx.conf ssl"]),
        ("stream {\nmap $x $y { '~}' 1; }\nserver { listen 443; }\n}", ["takes *:443 /etc/nginx/nginx.conf"]),
        (
            "http { log_format j escape=json '{'\n'a \\'; {'; }\nstream { server { listen \"443\"; } }",
            ["takes *:443 /etc/nginx/nginx.conf"],
        ),
        ('http { log_format x "a\nlisten 81; b"; server { listen 82; } }', ["listens *:82 /etc/nginx/nginx.conf"]),
        (
            f"# configuration file {SITE}:\nserver {{listen 443 ssl default_server;listen [::]:443 ssl ipv6only=off;}}",
            [f"listens *:443 {SITE} ssl default_server", f"listens [::]:443 {SITE} ssl ipv6only=off"],
        ),
        (
            f"# configuration file {SITE}:\nlisten 0.0.0.0:80; listen [::1];listen localhost; listen 10.0.0.5:443 ssl;",
            [f"listens {each}" for each in (f"*:80 {SITE}", f"[::1]:80 {SITE}", f"127.0.0.1:80 {SITE}")]
            + [f"listens 10.0.0.5:443 {SITE} ssl"],
        ),
        (
            f"# configuration file {SITE}:\nname a;# intranet\nlisten '443' ssl default_server; }}#\nlisten [0::0]:80;",
            [f"listens *:443 {SITE} ssl default_server", f"listens [::]:80 {SITE}"],
        ),
        # As many addresses as there are ports.
        (
            f"# configuration file {SITE}:\nlisten 442-443 ssl; listen 127.0.0.1:80-81; listen [::1]:80-80;",
            [f"listens *:442 {SITE} ssl", f"listens *:443 {SITE} ssl"]
            + [f"listens {each} {SITE}" for each in ("127.0.0.1:80", "127.0.0.1:81", "[::1]:80")],
        ),
        # What is no site, also in a file that is included.
        (
            "http { include sites-enabled/*; }\nstream { include stream.d/*.conf; server { listen 443; } listen 9; }"
            f"\n# configuration file /etc/nginx/stream.d/a.conf:\nserver {{ listen [::]:80; }} include /srv/b?.d/c.d;"
            f"\n# configuration file /srv/b+.d/c.d:\nlisten 10.0.0.5:443;"
            f"\n# configuration file {SITE}:\nserver {{ listen 81; }}",
            [
                "takes *:443 /etc/nginx/nginx.conf",
                "takes *:9 /etc/nginx/nginx.conf",
                "takes [::]:80 /etc/nginx/stream.d/a.conf",
                "takes 10.0.0.5:443 /srv/b+.d/c.d",
                f"listens *:81 {SITE}",
            ],
        ),
        # Whatever a shell's echo would make of it.
        ('map $x $y { "~a\\cb" 1; }\nworker_rlimit_nofile 1;', ["sets worker_rlimit_nofile /etc/nginx/nginx.conf 1"]),
        ("listen 443 quic reuseport default_server; listen unix:/run/x.sock;\n# listen 81;", []),
        (
            'nginx: [warn] old\nnginx: [emerg] unknown directive "x" in /etc/nginx/nginx.conf:1\nnginx: failed',
            ['refused unknown directive "x" in /etc/nginx/nginx.conf:1'],
        ),
        (
            'nginx: [alert] no log\n2026/11/27 00:35:30 [emerg] 65#65: unknown directive "x" in /x:1\nnginx: failed',
            ['refused unknown directive "x" in /x:1'],
        ),
    ],
)
def test_sees_what_else_nginx_serves(look, text, seen):
    assert look(f"nginx: syntax is ok\n{MAIN}\n{text}\n") == ["nginx 1.26.3", *seen]


DECISIONS = ("https_addresses", "http_addresses", "default_elsewhere", "without_http2", "has_files", "in_the_way")
LONG = "a-rather-long-name-of-a-host.of.some.example.org"


NEIGHBOURS = [
    ([], {}),
    (["ipv6"], {"https_addresses": ["*:443", "[::]:443"], "http_addresses": ["*:80", "[::]:80"]}),
    (["sets worker_rlimit_nofile /x 4096"], {"has_files": True}),
    # Of the others' addresses, those on our ports; where they are the default, we are not.
    ([f"listens *:443 {SITE} ssl default_server"], {"default_elsewhere": ["*:443"]}),
    ([f"listens *:80 {SITE} default"], {"default_elsewhere": ["*:80"]}),
    (
        [f"listens 10.0.0.5:443 {SITE} ssl", f"listens 10.0.0.5:8443 {SITE} ssl"],
        {"https_addresses": ["*:443", "10.0.0.5:443"]},
    ),
    (
        ["ipv6", f"listens [::]:443 {SITE} ssl ipv6only=off"],
        {"https_addresses": ["[::]:443"], "http_addresses": ["*:80", "[::]:80"]},
    ),
    # Debian's page goes.
    (["stock /etc/nginx/sites-enabled/default", "listens *:80 /etc/nginx/sites-enabled/default default_server"], {}),
    (
        ["listens *:80 /etc/nginx/sites-enabled/default default_server"],
        {"default_elsewhere": ["*:80"]},
    ),
    (["nginx 1.22.1", f"listens *:443 {SITE} ssl"], {"without_http2": ["*:443"]}),
    (["nginx 1.22.1", f"listens *:443 {SITE} ssl http2"], {}),
    (["takes *:8443 /x", "takes [::]:4430 /x"], {}),
    (
        ["takes 10.0.0.5:443 /x", "takes [::]:80 /y"],
        {
            "in_the_way": [
                f"{file}: has {address} for streams or mail, where this role's sites are to listen; change it there, "
                "or choose another mlflow_proxy_https_port or mlflow_proxy_http_port"
                for file, address in (("/x", "10.0.0.5:443"), ("/y", "[::]:80"))
            ]
        },
    ),
    (["sets server_names_hash_bucket_size /x 512"], {}),
    (
        ["sets server_names_hash_bucket_size /x 128"],
        {
            "in_the_way": [
                f"/x: server_names_hash_bucket_size is 128, and the names below {LONG} need 256; change it there"
            ]
        },
    ),
    (
        ["beside php8.2-fpm.service", "beside trusted.service"],
        {
            "in_the_way": [
                "php8.2-fpm.service: runs on localhost as www-data, the account of nginx, and could read the passwords "
                "that pass the proxy; give it another account, such as with User= in its unit, or name it in "
                "mlflow_proxy_trusted_units if you trust it with them"
            ]
        },
    ),
    (
        ["refused unknown directive"],
        {
            "in_the_way": [
                "nginx of localhost does not take its own files, without those of this role: unknown directive"
            ]
        },
    ),
]


def decide(role, tmp_path, number, seen):
    """Return what lets Ansible write down what the role decides."""
    decisions = ", ".join(f"{name!r}: __mlflow_proxy_{name}" for name in DECISIONS)
    return {
        "ansible.builtin.copy": {
            "content": f"{{{{ {{{decisions}}} | to_json }}}}",
            "dest": str(tmp_path / f"decided-{number}"),
        },
        "vars": {
            "ansible_python_interpreter": "{{ ansible_playbook_python }}",
            "__mlflow_proxy_seen": {"stdout_lines": seen, "stdout": "\n".join(seen)},
            "__mlflow_proxy_known": [],
            "mlflow_proxy_domain": LONG,
            "mlflow_proxy_trusted_units": ["trusted.service"],
        },
    }


def played(play, *more):
    """Run a play on this machine to its good end."""
    done = subprocess.run(
        ["ansible-playbook", "-i", "localhost,", "-c", "local", *more, str(play)],
        env={**os.environ, "ANSIBLE_NOCOLOR": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_shares_nginx_with_others(role, tmp_path):
    tables = [[*([] if "nginx 1.22.1" in seen else ["nginx 1.26.3"]), *seen] for seen, _decided in NEIGHBOURS]
    play = {
        "hosts": "localhost",
        "gather_facts": False,
        "vars_files": [str(role / "defaults" / "main.yml"), str(role / "vars" / "main" / "main.yml")],
        "tasks": [decide(role, tmp_path, number, seen) for number, seen in enumerate(tables)],
    }
    (tmp_path / "play.yml").write_text(json.dumps([play]))
    played(tmp_path / "play.yml")
    usual = {"https_addresses": ["*:443"], "http_addresses": ["*:80"], "has_files": False}
    for number, (seen, decided) in enumerate(NEIGHBOURS):
        expected = {name: decided.get(name, usual.get(name, [])) for name in DECISIONS}
        assert (seen, json.loads((tmp_path / f"decided-{number}").read_text())) == (seen, expected)


TEMPLATE = """
- hosts: localhost
  gather_facts: false
  tasks:
    - ansible.builtin.template: {src: TMP/in.j2, dest: TMP/out}
  vars:
    ansible_python_interpreter: "{{ ansible_playbook_python }}"
  vars_files: [ROLE/defaults/main.yml, ROLE/vars/main/main.yml]
"""
LOOKS = """{% import 'locations.j2' as locations with context %}{% include 'requests.j2' %}
{% for version in ['3.12.0', '3.14.1', '3.15.2', '3.16.0', '3.17.2'] %}
VERSION {{ version }}
{% set team = {'name': 'vision', 'addresses': ['192.0.2.1:5001'], 'version': version, 'genai': version == '3.17.2'} %}
{{ locations.team(team, '') }}
{% endfor %}
"""


@pytest.fixture(scope="module")
def written(request, tmp_path_factory):
    """What the role writes of a team in several versions, and before them of requests."""
    role, tmp_path = request.config.rootpath / "roles" / "mlflow_proxy", tmp_path_factory.mktemp("written")
    (tmp_path / "play.yml").write_text(TEMPLATE.replace("ROLE", str(role)).replace("TMP", str(tmp_path)))
    (tmp_path / "in.j2").write_text(LOOKS)
    for template in ("requests.j2", "locations.j2"):
        (tmp_path / template).symlink_to(role / "templates" / template)
    given = {"__mlflow_proxy_teams": [{"name": "vision", "cors_allowed_origins": []}]}
    played(tmp_path / "play.yml", "-e", json.dumps(given))
    return (tmp_path / "out").read_text().split("VERSION ")


def closed_by(requests, variable, path):
    """The word for which a path is closed, as nginx finds it: by the first line that matches."""
    (block,) = re.findall(rf"(?s)map \$uri \${variable} {{(.*?)\n}}", requests)
    patterns = re.findall(r'"~\*(\S+)" (\w+);', block)
    assert patterns, requests
    return next((word for pattern, word in patterns if re.match(pattern, path, re.IGNORECASE)), None)


def is_odd(requests, line):
    """Whether a request is refused for how its path is written."""
    (block,) = re.findall(r"(?s)map \$request \$mlflow_odd {(.*?)\n}", requests)
    patterns = re.findall(r'"~\*(\S.*)" (\d);', block)
    assert len(patterns) > 5, block
    return next((word for pattern, word in patterns if re.match(pattern, line, re.IGNORECASE)), "1") == "1"


@pytest.mark.parametrize("prefix", ["", "/vision"])
def test_where_a_slash_may_be_encoded(written, prefix):
    requests, *_versions = written
    for path, odd in (
        ("/api/3.0/mlflow/mcp-servers/com.example%2Fx", False),
        ("/api/3.0/mlflow/skills/@acme/reviewer/tags/a%2Fb", False),
        ("/api/3.0/mlflow/skills/%40acme%2Freviewer", False),
        ("/api/3.0/mlflow/skills/%2e%2e%2fjobs", True),
        ("/api/3.0/mlflow/skills/..%2fjobs", True),
        ("/api/3.0/mlflow/skills/a%252Fb", True),
        ("/api/3.0/mlflow/skillsets/a%2Fb", True),
        ("/api/2.0/mlflow/runs%2Fget", True),
    ):
        assert is_odd(requests, f"GET {prefix}{path} HTTP/1.1") is odd, path


def test_jobs_are_open_where_a_team_has_them_but_for_beginning_one(written):
    requests, *versions = written
    found = {each.split()[0]: re.findall(r"if \(\$mlflow_denied_job(.*?)\)", each) for each in versions}
    assert found == {"3.12.0": [""], "3.14.1": [""], "3.15.2": [""], "3.16.0": [""], "3.17.2": [" = begin"]}
    for path, word in (
        ("3.0/jobs", "begin"),
        ("3.0/jobs/", "begin"),
        ("3.0/JOBS/", "begin"),
        ("3.0/jobs/4711", "any"),
        ("3.0/jobs/cancel/4711", "any"),
        ("3.0/jobs/search", "any"),
        ("3.0/mlflow/jobs/4711", "any"),
        ("3.0/mlflow/prompt-optimization/jobs", "any"),
        ("3.0/mlflow/scorer/invoke", None),
        ("2.0/mlflow-artifacts/artifacts/1/jobs", None),
    ):
        for begins in ("/api/", "/ajax-api/", "/vision/ajax-api/"):
            assert (path, closed_by(requests, "mlflow_denied_job", begins + path)) == (path, word)
    assert closed_by(requests, "mlflow_denied", "/ajax-api/3.0/mlflow/assistant/x") == "1"


def test_answers_of_models_take_their_time(written):
    _requests, *versions = written
    found = {
        each.split()[0]: re.findall(r"(?s)location /gateway/ .*?proxy_read_timeout (\d+)s", each) for each in versions
    }
    assert found == {"3.12.0": [], "3.14.1": [], "3.15.2": [], "3.16.0": [], "3.17.2": ["600"]}


def test_what_older_versions_do_not_check_is_closed(written):
    requests, *versions = written
    found = {each.split()[0]: re.findall(r"mlflow_presigned = (\w+)\)", each) for each in versions}
    both = ["download", "upload"]
    assert found == {"3.12.0": both, "3.14.1": both, "3.15.2": ["upload"], "3.16.0": [], "3.17.2": []}
    for path, kind in (
        ("mlflow-artifacts/presigned/1/a/model.pkl", "download"),
        ("mlflow-artifacts/PRESIGNED", "download"),
        ("mlflow/artifacts/presigned-upload-url", "upload"),
        ("mlflow/artifacts/presigned-upload-url/", "upload"),
        ("mlflow-artifacts/artifacts/1/presigned/x", None),
        ("mlflow/artifacts/list", None),
    ):
        for begins in ("/api/2.0/", "/ajax-api/2.0/", "/vision/api/2.0/"):
            assert (path, closed_by(requests, "mlflow_presigned", begins + path)) == (path, kind)


VERSIONS = {"vision": "3.17.2", "nlp": "3.12.0", "audio": "3.11.1"}


@pytest.fixture(scope="module")
def sites(request, tmp_path_factory):
    """What the role writes for nginx, with and without what teams use for their admins."""
    role, tmp_path = request.config.rootpath / "roles" / "mlflow_proxy", tmp_path_factory.mktemp("sites")
    teams = [
        {"name": name, "state": "present", "version": version, "genai": False, "cors_allowed_origins": []}
        for name, version in VERSIONS.items()
    ]
    given = {
        "ansible_python_interpreter": "{{ ansible_playbook_python }}",
        "mlflow_proxy_domain": "mlflow.example.org",
        "mlflow_proxy_routing": ["name", "path"],
        "__mlflow_proxy_seen": {"stdout": "nginx 1.26.3", "stdout_lines": ["nginx 1.26.3"]},
        "__mlflow_proxy_known": [{**team, "addresses": ["127.0.0.1:5001"]} for team in teams],
    }
    play = {
        "hosts": "localhost",
        "gather_facts": False,
        "vars_files": [str(role / "defaults" / "main.yml"), str(role / "vars" / "main" / "main.yml")],
        "tasks": [
            {
                "ansible.builtin.template": {
                    "src": str(role / "templates" / "mlflow.conf.j2"),
                    "dest": str(tmp_path / str(shown)),
                },
                "vars": {**given, "mlflow_proxy_usage_for_admins": shown},
            }
            for shown in (False, True)
        ],
    }
    (tmp_path / "play.yml").write_text(json.dumps([play]))
    played(tmp_path / "play.yml")
    return [(tmp_path / str(shown)).read_text() for shown in (False, True)]


def test_nobody_is_shown_what_a_team_uses_unless_asked_for(sites):
    without, _with = sites
    assert [word for word in ("/mlflow_usage/", "admins_only", "webhooks") if word in without] == []


def test_what_a_team_uses_is_for_those_whom_mlflow_takes_for_its_admins(sites):
    _without, text = sites
    found = re.findall(r"(?s)\n    location (\S*/mlflow_usage/) \{\n(.*?)\n    \}", text)
    # By path and by name. No older version is known to keep it from others.
    assert sorted(where for where, _block in found) == sorted(
        ["/vision/mlflow_usage/", "/nlp/mlflow_usage/", *["/mlflow_usage/"] * 2]
    )
    for where, block in found:
        (team,) = re.findall(r"alias /var/www/mlflow-usage-of-teams/(.*?)/;", block)
        assert where in (f"/{team}/mlflow_usage/", "/mlflow_usage/")
        assert f"auth_request /.mlflow-admin/{team};" in block
        assert "proxy_pass" not in block
        assert (f"if ($mlflow_first != {team})" in block) is (where != "/mlflow_usage/")
    for team in ("vision", "nlp"):
        asked = f"http://mlflow_{team}/api/2.0/mlflow/webhooks?max_results=1;"
        assert re.search(rf"(?s)location = /{team}/admin \{{[^}}]*proxy_pass {re.escape(asked)}", text)
    assert "location = /audio/admin" not in text
    # What was known once is asked again, and each answer is of one team, and of this question.
    kept = re.findall(
        r'(?s)location = /\.mlflow-admin/(\w+) \{.*?proxy_cache_key "(.*?)";.*?proxy_cache_use_stale (.*?);', text
    )
    assert set(kept) == {(team, f"admin:{team} $mlflow_network $mlflow_login", "off") for team in ("vision", "nlp")}


def test_of_a_request_only_its_log_in_is_asked_about(sites):
    for text in sites:
        locations = re.findall(r"(?s)location = (?:/\.mlflow-\w+)?/\w+(?:/admin)? \{\n.*?\n    \}", text)
        asking = [it for it in locations if "/logins.sock:" in it]
        assert len(asking) >= 2 * len(VERSIONS)
        # Not where somebody says to ask from, and nothing for which MLflow would not look at the log-in.
        assert [it for it in asking if "proxy_pass_request_headers off;" not in it] == []
        asked = [it for it in locations if "zone=mlflow_logins_again " in it]
        assert len(asked) >= len(VERSIONS)
        for it in asked:
            assert "proxy_set_header X-Forwarded-For $remote_addr;" in it
            # Whoever has no turn left makes up no users: their number is limited, and the oldest is forgotten.
            assert re.findall(r"limit_req zone=mlflow_logins_(\w+)", it) == ["of_address", "of_user", "again"]
