// What dpkg runs as the package comes and goes (Debian Policy, chapter 6). Each may be run again after it was cut short.
import { roles } from '../../agent/config/role.ts';
import { unitName } from '../../agent/service/scope.ts';

const units = roles.map(unitName).join(' ');

/** What is left of the package's own doing once the package is gone, by whoever it was made. */
const state = ['/var/lib', '/var/cache'].flatMap(folder => [`${folder}/private/muster`, `${folder}/muster`]);
const dropIns = roles.map(role => `/etc/systemd/system/${unitName(role)}.d`);

const running = '[ -d /run/systemd/system ]';

/** By the name that dpkg knows each by. */
export const maintainerScripts: Readonly<Record<'postinst' | 'prerm' | 'postrm', string>> = {
  postinst: `\
#!/bin/sh
# Nothing is started or enabled: which role this machine has is the operator's to say. After an upgrade, what runs is started
# anew from the new file: the same node, by its key and its session. What would not come up again runs on from the old one.
set -e

# Whether the role of main process $2 may be started anew, judged as its user, with the environment and the credentials that
# it has; the faults are for a person, not for the log of a service.
comes_up() {
	[ "\${2:-0}" != 0 ] || return 0
	user=$(stat --format='--reuid=%u --regid=%g' "/proc/$2") || return 0
	check="exec setpriv $user --clear-groups env -i \\"\\$@\\" NOTIFY_SOCKET= /usr/bin/muster config check --role $1"
	faults=$(xargs -0 -a "/proc/$2/environ" sh -c "$check" sh 2>&1 >/dev/null) || return 1
}

case $1 in
configure | abort-upgrade | abort-remove | abort-deconfigure)
	# The groups of GPUs, which the agent's unit names.
	if command -v systemd-sysusers >/dev/null; then
		systemd-sysusers \${DPKG_ROOT:+--root="$DPKG_ROOT"} muster.conf
	fi
	# Which links an operator may make, so that a purge finds them.
	deb-systemd-helper update-state ${units} >/dev/null || true
	if ${running}; then
		systemctl --system daemon-reload >/dev/null || true
		if [ -n "$2" ]; then
			anew=
			for role in ${roles.join(' ')}; do
				unit=muster-$role.service
				if comes_up "$role" "$(systemctl show --property=MainPID --value "$unit" || true)"; then
					anew="$anew $unit"
				else
					echo "muster: $unit runs on as the version that it was, as the new one would not start:" >&2
					echo "$faults" >&2
					echo "muster: once that is mended: systemctl restart muster-$role" >&2
				fi
			done
			[ -z "$anew" ] || deb-systemd-invoke try-restart $anew >/dev/null || true
		fi
	fi
	;;
esac
`,
  prerm: `\
#!/bin/sh
# During an upgrade everything runs on.
set -e
if [ "$1" = remove ] && ${running}; then
	deb-systemd-invoke stop ${units} >/dev/null || true
fi
`,
  postrm: `\
#!/bin/sh
# A removal keeps configuration, keys and state; a purge leaves nothing. Secrets in /etc/credstore are the operator's.
set -e
if [ "$1" = purge ]; then
	if command -v deb-systemd-helper >/dev/null; then
		deb-systemd-helper purge ${units} >/dev/null || true
	fi
	# Where a disk is mounted its folder stays, empty, as rm says: no reason never to be rid of the package.
	rm -rf ${[...state, '/etc/muster', ...dropIns].map(path => `"$DPKG_ROOT${path}"`).join(' ')} || true
fi
if [ "$1" = remove ] || [ "$1" = purge ]; then
	if ${running}; then
		systemctl --system daemon-reload >/dev/null || true
	fi
fi
`,
};
