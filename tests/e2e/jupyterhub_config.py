"""A hub as The Littlest JupyterHub has it: PAM, and a systemd unit for each person, as the Unix user they are."""

c = get_config()  # noqa: F821 - JupyterHub's
c.JupyterHub.bind_url = "http://:8000"
c.JupyterHub.authenticator_class = "pam"
c.Authenticator.allow_all = True
c.PAMAuthenticator.open_sessions = False
c.ConfigurableHTTPProxy.command = ["/opt/hub/bin/configurable-http-proxy"]
c.JupyterHub.spawner_class = "systemd"
c.SystemdSpawner.cmd = ["/opt/notebook/bin/jupyterhub-singleuser"]
c.SystemdSpawner.extra_paths = ["/opt/notebook/bin"]
c.SystemdSpawner.default_url = "/lab/tree/quickstart.ipynb"
c.SystemdSpawner.start_timeout = 300
c.SystemdSpawner.http_timeout = 300
# Its users share what the host has of devices and temporary files with nobody.
c.SystemdSpawner.isolate_tmp = True
c.SystemdSpawner.isolate_devices = True
c.SystemdSpawner.disable_user_sudo = True
