# Copyright (c) 2026 The pacs.loadbalancer authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A syslog server over TLS on the modality: Debian's rsyslog, with syslog and RELP, a file each."""

from __future__ import annotations

NAME, DIRECTORY, UNIT = "syslog.lab", "/srv/syslog", "lab-syslog"
PORTS = {"tls": 6514, "relp": 20514}
CONFIGURATION = f"""
global(workDirectory="{DIRECTORY}" maxMessageSize="8k"
    defaultNetstreamDriver="ossl" defaultNetstreamDriverCAFile="{DIRECTORY}/ca.pem"
    defaultNetstreamDriverCertFile="{DIRECTORY}/cert.pem" defaultNetstreamDriverKeyFile="{DIRECTORY}/key.pem")
module(load="imtcp" StreamDriver.Name="ossl" StreamDriver.Mode="1" StreamDriver.AuthMode="anon")
module(load="imrelp" tls.tlslib="openssl")
template(name="message" type="string" string="%msg%\\n")
ruleset(name="tls") {{ action(type="omfile" file="{DIRECTORY}/tls" template="message") }}
ruleset(name="relp") {{ action(type="omfile" file="{DIRECTORY}/relp" template="message") }}
input(type="imtcp" port="{PORTS["tls"]}" ruleset="tls")
input(type="imrelp" port="{PORTS["relp"]}" ruleset="relp" tls="on" tls.caCert="{DIRECTORY}/ca.pem"
    tls.myCert="{DIRECTORY}/cert.pem" tls.myPrivKey="{DIRECTORY}/key.pem")
"""
CERTIFICATES = f"""
set -e
mkdir -p {DIRECTORY}
cd {DIRECTORY}
new="openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes"
$new -x509 -days 30 -subj '/CN=Lab CA' -keyout ca.key -out ca.pem
$new -subj '/CN={NAME}' -keyout key.pem -out request.pem
printf 'subjectAltName=DNS:{NAME}' > names
openssl x509 -req -in request.pem -CA ca.pem -CAkey ca.key -CAcreateserial -days 30 -out cert.pem -extfile names
"""


class Server:
    def __init__(self, host):
        self.host = host
        self.address = host.check_output("hostname -I").split()[0]

    def __enter__(self):
        packages = "rsyslog rsyslog-openssl rsyslog-relp openssl"
        install = f"apt-get -qq update && apt-get -qq install --yes --no-install-recommends {packages}"
        self.host.check_output("sh -c %s", install)
        self.host.check_output("systemctl disable --now rsyslog.service syslog.socket")
        self.host.check_output("sh -c %s", CERTIFICATES)
        self.host.check_output("sh -c %s", f"cat > {DIRECTORY}/server.conf <<'EOF'{CONFIGURATION}EOF")
        self.start()
        return self

    def __exit__(self, *_error):
        self.stop()
        self.host.check_output(f"rm -r {DIRECTORY}")

    def written(self, relp):
        """The server as a user writes it."""
        ca = self.host.check_output(f"cat {DIRECTORY}/ca.pem") + "\n"
        return {
            "server": self.address,
            "port": PORTS["relp" if relp else "tls"],
            "name": NAME,
            "ca": ca,
            "relp": relp,
        }

    def start(self):
        self.host.run(f"systemctl reset-failed {UNIT}")
        self.host.check_output(
            f"systemd-run --quiet --unit {UNIT} --property Type=notify --property NotifyAccess=all"
            f" /usr/sbin/rsyslogd -n -i NONE -f {DIRECTORY}/server.conf"
        )

    def stop(self):
        self.host.check_output(f"systemctl stop {UNIT}")

    def kill(self):
        self.host.check_output(f"systemctl kill --signal KILL {UNIT}")

    def received(self, protocol):
        return self.host.run(f"cat {DIRECTORY}/{protocol}").stdout.splitlines()

    def forget(self):
        self.host.check_output(f"sh -c ': > {DIRECTORY}/tls; : > {DIRECTORY}/relp'")
