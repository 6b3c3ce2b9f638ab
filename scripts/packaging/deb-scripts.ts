// Holds the scripts that dpkg runs when it installs or removes the package (Debian Policy, chapter 6). Each can be run
// again after it was interrupted.
import { restoringFolder } from '../../agent/config/paths.ts';
import { roles } from '../../agent/config/role.ts';
import { unitName } from '../../agent/service/scope.ts';

const units = roles.map(unitName).join(' ');

/** The folders with the state of the roles, which a purge removes. */
const state = [
  ...['/var/lib', '/var/cache'].flatMap(folder => [`${folder}/private/muster`, `${folder}/muster`]),
  ...['/var/lib/private/muster', '/var/lib/muster'].map(restoringFolder),
];
const dropIns = roles.map(role => `/etc/systemd/system/${unitName(role)}.d`);

const running = '[ -d /run/systemd/system ]';

/** The scripts, by the names that dpkg gives them. */
export const maintainerScripts: Readonly<Record<'postinst' | 'prerm' | 'postrm', string>> = {
  postinst: `\
#!/bin/sh
# Nothing is enabled or started, because the operator decides which role this machine has. After an upgrade, a role that runs
# is restarted from the new file. It stays the same node, with its key and its session. A role that could not start again
# is left running from the old file.
set -e

# Checks whether role $1, whose main process is $2, can start again: as the user of that process, with its environment and
# its credentials. The faults are kept for the person who upgrades, so they do not go to the log of a service.
can_start() {
	[ "\${2:-0}" != 0 ] || return 0
	user=$(stat --format='--reuid=%u --regid=%g' "/proc/$2") || return 0
	check="exec setpriv $user --clear-groups env -i \\"\\$@\\" NOTIFY_SOCKET= /usr/bin/muster config check --role $1"
	faults=$(xargs -0 -a "/proc/$2/environ" sh -c "$check" sh 2>&1 >/dev/null) || return 1
}

case $1 in
configure | abort-upgrade | abort-remove | abort-deconfigure)
	# The groups of the GPU device files, which the agent's unit names.
	if command -v systemd-sysusers >/dev/null; then
		systemd-sysusers \${DPKG_ROOT:+--root="$DPKG_ROOT"} muster.conf
	fi
	# A purge then finds the links that an operator may make.
	deb-systemd-helper update-state ${units} >/dev/null || true
	if ${running}; then
		systemctl --system daemon-reload >/dev/null || true
		if [ -n "$2" ]; then
			anew=
			for role in ${roles.join(' ')}; do
				unit=muster-$role.service
				if can_start "$role" "$(systemctl show --property=MainPID --value "$unit" || true)"; then
					anew="$anew $unit"
				else
					echo "muster: $unit still runs the old version, because the new one would not start:" >&2
					echo "$faults" >&2
					echo "muster: when that is corrected: systemctl restart muster-$role" >&2
				fi
			done
			# shellcheck disable=SC2086 # Each word is a unit.
			[ -z "$anew" ] || deb-systemd-invoke try-restart $anew >/dev/null || true
		fi
	fi
	;;
esac
`,
  prerm: `\
#!/bin/sh
# During an upgrade everything keeps running.
set -e
if [ "$1" = remove ] && ${running}; then
	deb-systemd-invoke stop ${units} >/dev/null || true
fi
`,
  postrm: `\
#!/bin/sh
# A removal keeps the configuration, the keys and the state. A purge removes them, but no secrets in /etc/credstore, which
# the operator put there.
set -e
if [ "$1" = purge ]; then
	if command -v deb-systemd-helper >/dev/null; then
		deb-systemd-helper purge ${units} >/dev/null || true
	fi
	# The folder of a mounted disk stays, empty. rm reports that, but the package can be removed all the same.
	rm -rf ${[...state, '/etc/muster', ...dropIns].map(path => `"$DPKG_ROOT${path}"`).join(' ')} || true
fi
if [ "$1" = remove ] || [ "$1" = purge ]; then
	if ${running}; then
		systemctl --system daemon-reload >/dev/null || true
	fi
fi
`,
};
