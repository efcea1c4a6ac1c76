package main

// service is one daemon of the bed: a real one out of a Debian package, whose
// version dpkg knows.
type service struct {
	pkg     string // the package whose version is the truth
	product string // as its makers call it
	port    uint16
	udp     bool
	start   string // shell that ends with the daemon in the background or in front
	silent  string // why nobody can tell the version from outside without a login
}

// services are what is asked. Debian's own settings are kept, but for the
// address and the port, and for what lets another machine ask at all.
var services = []service{
	{pkg: "vsftpd", product: "vsftpd", port: 21, start: `mkdir -p /run/vsftpd/empty; vsftpd -olisten=YES -olisten_ipv6=NO`},
	{pkg: "openssh-server", product: "OpenSSH", port: 22, start: `mkdir -p /run/sshd; /usr/sbin/sshd -D`},
	{pkg: "dropbear-bin", product: "Dropbear", port: 2222, start: `mkdir -p /etc/dropbear; dropbear -R -F -p 2222`},
	{pkg: "inetutils-telnetd", product: "telnetd", port: 23, silent: "Telnet has no field for it",
		start: `echo 'telnet stream tcp nowait root /usr/sbin/telnetd telnetd' >/etc/bed.inetd; inetutils-inetd -d /etc/bed.inetd`},
	{pkg: "exim4-daemon-light", product: "Exim", port: 25, start: `exim4 -bdf -oX 0.0.0.0.25`},

	{pkg: "nginx", product: "nginx", port: 443, start: `printf 'server{listen 443 ssl;ssl_certificate /etc/ssl/certs/ssl-cert-snakeoil.pem;ssl_certificate_key /etc/ssl/private/ssl-cert-snakeoil.key;}' >/etc/nginx/conf.d/tls.conf; nginx`},
	{pkg: "apache2", product: "Apache HTTPD", port: 8080, start: `echo Listen 8080 >/etc/apache2/ports.conf; apachectl start`},
	{pkg: "lighttpd", product: "lighttpd", port: 8081, start: `sed -i 's/^server.port.*/server.port = 8081/' /etc/lighttpd/lighttpd.conf; lighttpd -f /etc/lighttpd/lighttpd.conf`},
	{pkg: "mini-httpd", product: "mini_httpd", port: 8082, start: `mini_httpd -p 8082 -d /var/www/html`},
	{pkg: "webfs", product: "webfs", port: 8083, start: `webfsd -p 8083 -r /var/www/html`},
	{pkg: "h2o", product: "H2O", port: 8084, start: `printf 'listen: 8084\nhosts:\n  default:\n    paths:\n      /:\n        file.dir: /var/www/html\n' >/etc/bed.h2o; h2o -c /etc/bed.h2o`},
	{pkg: "yaws", product: "Yaws", port: 8085, start: `rm -f /etc/yaws/conf.d/*; sed 's/port = .*/port = 8085/; s/listen = .*/listen = 0.0.0.0/' /etc/yaws/conf.avail/localhost.conf >/etc/yaws/conf.d/bed.conf; HOME=/root yaws --conf /etc/yaws/yaws.conf --daemon`},
	{pkg: "php8.2-cli", product: "PHP", port: 8090, start: `mkdir /tmp/php; echo '<?php echo 1;' >/tmp/php/index.php; php -S 0.0.0.0:8090 -t /tmp/php`},
	{pkg: "python3-twisted", product: "TwistedWeb", port: 8089, start: `cd /tmp; twistd3 -n web --listen tcp:8089 --path /var/www/html`},
	{pkg: "squid", product: "Squid", port: 3128, start: `squid -N`},
	{pkg: "tinyproxy", product: "Tinyproxy", port: 8888, start: `echo 'Allow 10.79.0.0/24' >>/etc/tinyproxy/tinyproxy.conf; mkdir -p /run/tinyproxy; chown tinyproxy: /run/tinyproxy; tinyproxy -d`},
	{pkg: "icecast2", product: "Icecast", port: 8000, start: `chown -R icecast2 /var/log/icecast2; setpriv --reuid icecast2 --regid icecast --clear-groups icecast2 -c /etc/icecast2/icecast.xml`},
	{pkg: "minidlna", product: "MiniDLNA", port: 8200, start: `mkdir -p /var/log/minidlna; minidlnad -S -f /etc/minidlna.conf`},
	{pkg: "cups-daemon", product: "CUPS", port: 631, start: `sed -i 's/^Listen localhost:631/Port 631/; s/^<Location \/>/<Location \/>\n  Allow all/' /etc/cups/cupsd.conf; echo 'ServerAlias *' >>/etc/cups/cupsd.conf; cupsd -f`},
	{pkg: "monit", product: "Monit", port: 2812, start: `printf 'set httpd port 2812\n allow 10.79.0.0/24\n' >/etc/monit/conf.d/web; monit -I`},
	{pkg: "apt-cacher-ng", product: "Apt-Cacher NG", port: 3142, start: `mkdir -p /run/apt-cacher-ng; apt-cacher-ng -c /etc/apt-cacher-ng foreground=1`},
	{pkg: "etcd-server", product: "etcd", port: 2379, start: `etcd --data-dir /tmp/etcd --listen-client-urls http://0.0.0.0:2379 --advertise-client-urls http://10.79.0.2:2379`},
	{pkg: "influxdb", product: "InfluxDB", port: 8086, start: `influxd -config /etc/influxdb/influxdb.conf`},
	{pkg: "prometheus-node-exporter", product: "Prometheus Node Exporter", port: 9100, start: `prometheus-node-exporter`},
	{pkg: "prometheus", product: "Prometheus", port: 9090, start: `prometheus --config.file=/etc/prometheus/prometheus.yml --storage.tsdb.path=/tmp/prometheus`},
	{pkg: "prometheus-alertmanager", product: "Prometheus Alertmanager", port: 9093, start: `printf 'route: {receiver: none}\nreceivers: [{name: none}]\n' >/tmp/am.yml; prometheus-alertmanager --config.file=/tmp/am.yml --storage.path=/tmp/am --cluster.listen-address=`},
	{pkg: "prometheus-pushgateway", product: "Prometheus Pushgateway", port: 9091, start: `prometheus-pushgateway`},
	{pkg: "prometheus-blackbox-exporter", product: "Prometheus Blackbox Exporter", port: 9115, start: `prometheus-blackbox-exporter --config.file=/etc/prometheus/blackbox.yml`},
	{pkg: "tomcat10", product: "Tomcat", port: 8091, start: `sed -i 's/port="8080"/port="8091"/' /etc/tomcat10/server.xml; export CATALINA_BASE=/var/lib/tomcat10 CATALINA_HOME=/usr/share/tomcat10 CATALINA_TMPDIR=/tmp; /usr/share/tomcat10/bin/catalina.sh run`},
	{pkg: "syncthing", product: "Syncthing", port: 8384, start: `HOME=/tmp syncthing serve --no-browser --no-restart --no-upgrade --gui-address=0.0.0.0:8384 --home=/tmp/syncthing`},
	{pkg: "rclone", product: "rclone", port: 8092, start: `HOME=/tmp rclone serve http /var/www/html --addr 0.0.0.0:8092`},
	{pkg: "janus", product: "Janus WebRTC Server", port: 8093, start: `sed -i 's/port = 8088/port = 8093/' /etc/janus/janus.transport.http.jcfg; cd /tmp; janus`},
	{pkg: "python3-cherrypy3", product: "CherryPy", port: 8095, start: `cd /tmp; python3 -c 'import cherrypy; cherrypy.config.update({"server.socket_host": "0.0.0.0", "server.socket_port": 8095}); cherrypy.quickstart(None)'`},
	{pkg: "python3-werkzeug", product: "Werkzeug", port: 8096, start: `python3 -c 'import werkzeug.serving, werkzeug.wrappers; werkzeug.serving.run_simple("0.0.0.0", 8096, werkzeug.wrappers.Response("bed"))'`},
	{pkg: "python3-aiohttp", product: "aiohttp", port: 8097, start: `python3 -c 'import aiohttp.web; aiohttp.web.run_app(aiohttp.web.Application(), port=8097)'`},
	{pkg: "ruby-webrick", product: "WEBrick", port: 8098, start: `ruby -run -e httpd /var/www/html -p 8098 -b 0.0.0.0`},

	{pkg: "bind9", product: "BIND", port: 53, start: `named -f -u bind`},
	{pkg: "unbound", product: "Unbound", port: 5301, start: `printf 'server:\n interface: 0.0.0.0@5301\n access-control: 10.79.0.0/24 allow\n' >/etc/unbound/unbound.conf.d/bed.conf; install -o unbound /usr/share/dns/root.key /var/lib/unbound/root.key; unbound -d`},
	{pkg: "dnsmasq-base", product: "dnsmasq", port: 5302, start: `dnsmasq -k -p 5302 -C /dev/null`},
	{pkg: "nsd", product: "NSD", port: 5303, start: `mkdir -p /run/nsd; nsd -d -p 5303 -a 0.0.0.0`},
	{pkg: "knot", product: "Knot DNS", port: 5304, start: `printf 'server:\n  listen: 0.0.0.0@5304\n  rundir: /tmp\ndatabase:\n  storage: /tmp\n' >/etc/bed.knot; knotd -c /etc/bed.knot`},
	{pkg: "pdns-recursor", product: "PowerDNS Recursor", port: 5305, start: `mkdir -p /run/pdns-recursor; pdns_recursor --local-address=0.0.0.0 --local-port=5305 --daemon=no`},
	{pkg: "pdns-server", product: "PowerDNS Authoritative Server", port: 5306, start: `mkdir -p /run/pdns; pdns_server --local-address=0.0.0.0 --local-port=5306 --daemon=no --guardian=no`},

	{pkg: "dovecot-core", product: "Dovecot", port: 143, silent: "IMAP has no field for it, and its greeting says the name alone", start: `dovecot -F`},
	{pkg: "mosquitto", product: "Mosquitto", port: 1883, start: `printf 'listener 1883 0.0.0.0\nallow_anonymous true\n' >/etc/mosquitto/conf.d/bed.conf; mkdir -p /run/mosquitto; chown mosquitto: /run/mosquitto; mosquitto -c /etc/mosquitto/mosquitto.conf`},
	{pkg: "mariadb-server", product: "MariaDB", port: 3306, start: `mkdir -p /run/mysqld; chown mysql /run/mysqld; echo "CREATE USER bed@'%' IDENTIFIED VIA unix_socket;" >/tmp/bed.sql; mariadbd --user=mysql --bind-address=0.0.0.0 --init-file=/tmp/bed.sql`},
	{pkg: "redis-server", product: "Redis", port: 6379, start: `redis-server --port 6379 --bind 0.0.0.0 --protected-mode no`},
	{pkg: "memcached", product: "memcached", port: 11211, start: `memcached -u memcache -l 0.0.0.0`},
	{pkg: "postgresql-15", product: "PostgreSQL", port: 5432, silent: "PostgreSQL says it after a login",
		start: `mkdir -p /run/postgresql; chown postgres /run/postgresql; cd /; setpriv --reuid postgres --regid postgres --groups ssl-cert /usr/lib/postgresql/15/bin/postgres -D /etc/postgresql/15/main -c listen_addresses='*'`},
	{pkg: "slapd", product: "OpenLDAP", port: 389, silent: "OpenLDAP's root entry has no vendorVersion", start: `mkdir -p /run/slapd; chown openldap /run/slapd; slapd -d 0 -h ldap:/// -u openldap -g openldap`},
	{pkg: "samba", product: "Samba", port: 445, start: `mkdir -p /run/samba; smbd -F`},
	{pkg: "xrdp", product: "xrdp", port: 3389, silent: "RDP has no field for it", start: `xrdp --nodaemon`},
	{pkg: "rabbitmq-server", product: "RabbitMQ", port: 5672, start: `mkdir -p /run/rabbitmq; chown rabbitmq: /run/rabbitmq; rabbitmq-server`},
	{pkg: "beanstalkd", product: "beanstalkd", port: 11300, start: `beanstalkd -p 11300`},
	{pkg: "nats-server", product: "NATS Server", port: 4222, start: `nats-server`},
	{pkg: "gearman-job-server", product: "Gearman", port: 4730, start: `gearmand -L 0.0.0.0 -l /tmp/gearmand.log`},
	{pkg: "clamav-daemon", product: "ClamAV", port: 3310, start: `mkdir -p /run/clamav; chown clamav: /run/clamav; echo 44d88612fea8a8f36de82e1278abb02f:68:Bed.Test >/var/lib/clamav/bed.hdb; printf 'TCPSocket 3310\nForeground yes\nDatabaseDirectory /var/lib/clamav\nUser clamav\n' >/etc/bed.clamd; clamd -c /etc/bed.clamd`},
	{pkg: "munin-node", product: "Munin", port: 4949, start: `echo 'allow .*10\.79\.0\.1' >>/etc/munin/munin-node.conf; mkdir -p /run/munin; munin-node --foreground`},
	{pkg: "zookeeper", product: "ZooKeeper", port: 2181, start: `mkdir -p /tmp/zk; printf 'dataDir=/tmp/zk\nclientPort=2181\nadmin.enableServer=false\n' >/tmp/zk.cfg; cd /tmp; /usr/share/zookeeper/bin/zkServer.sh start-foreground /tmp/zk.cfg`},
	{pkg: "nut-server", product: "Network UPS Tools", port: 3493, start: `mkdir -p /run/nut; chown nut /run/nut; printf '[ups]\ndriver = dummy-ups\nport = /tmp/ups.dev\n' >/etc/nut/ups.conf; printf 'LISTEN 0.0.0.0 3493\n' >/etc/nut/upsd.conf; chown root:nut /etc/nut/*; /lib/nut/upsd -D`},
	{pkg: "gpsd", product: "gpsd", port: 2947, start: `gpsd -N -G -S 2947 udp://127.0.0.1:2948`},

	{pkg: "ntpsec", product: "NTPsec", port: 123, udp: true, start: `printf 'disable ntp\nrestrict default kod nomodify nopeer noquery limited\nrestrict 10.79.0.0 mask 255.255.255.0\n' >/etc/bed.ntp; ntpd -n -c /etc/bed.ntp`},
	{pkg: "snmpd", product: "Net-SNMP", port: 161, udp: true, silent: "SNMP says it to who has a community or a user", start: `sed -i 's/^agentaddress.*/agentaddress udp:161/' /etc/snmp/snmpd.conf; snmpd -f -Lo`},
	{pkg: "coturn", product: "Coturn", port: 3478, udp: true, start: `turnserver -n --no-cli --listening-ip 10.79.0.2 --log-file /tmp/turn.log`},
	{pkg: "kamailio", product: "Kamailio", port: 5060, udp: true, start: `mkdir -p /run/kamailio; kamailio -DD -E -l udp:10.79.0.2:5060 -f /etc/kamailio/kamailio.cfg`},
	{pkg: "mumble-server", product: "Mumble", port: 64738, udp: true, start: `mkdir -p /run/mumble-server; chown mumble-server: /run/mumble-server; murmurd -fg -ini /etc/mumble-server.ini`},
}
