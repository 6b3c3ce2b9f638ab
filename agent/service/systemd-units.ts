// The systemd units of both roles: readiness and watchdog by sd_notify, restarts that never give up, and as little of the
// machine open as each role needs. Written for systemd 252; what a newer one knows is added when its version is given.
import { isAbsolute } from 'node:path';
import { isSecret, settingKeys } from '../config/keys.ts';
import type { Role } from '../config/role.ts';
import { MusterError } from '../system/errors.ts';
import { unitName } from './scope.ts';

export interface UnitOptions {
  /** Absolute path of the program. */
  executable: string;
  /** Of the whole machine, or of one user (`systemctl --user`). */
  scope: 'system' | 'user';
  /** The version of systemd that will read the unit; without it, what 252 knows. */
  systemd?: number | undefined;
  /** Those of the groups `render` and `video` that this machine has: a unit that names one that is missing does not start. */
  groups?: readonly string[] | undefined;
}

/**
 * The unit file of `role`, its comments saying why each line is there.
 * @throws MusterError `usage` when `executable` is no path that a unit can name.
 */
export function unitFile(role: Role, options: UnitOptions): string {
  const system = options.scope === 'system';
  const parts = [
    header(role),
    unitSection(role, system),
    service(role, options),
    system ? folders : '',
    system && role === 'requester' ? brokerFolder : '',
    system ? secrets(role) : '',
    limits(role),
    system ? sandbox(role) : userSandbox(role),
    system ? devices(role, options.groups ?? []) : '',
    install(system),
  ];
  return `${parts.filter(Boolean).join('\n')}`;
}

const about: Record<Role, string> = {
  agent: 'muster agent: registers this machine with its cluster and keeps it current',
  requester: 'muster requester: keeps the roll of the cluster',
};

const header = (role: Role) => `\
# Changes belong in a drop-in, which survives an upgrade: systemctl edit ${unitName(role)}
`;

const unitSection = (role: Role, system: boolean) => `\
[Unit]
Description=${about[role]}
# Readiness may take as long as the broker is away. Without the default dependencies no target waits for it, so that a broker
# that is down never holds up a boot; what is left of them stands here.
DefaultDependencies=no
${
  system
    ? `Requires=sysinit.target
After=sysinit.target basic.target
# At shutdown the network goes last: the farewell to the cluster still arrives.
After=network.target nss-lookup.target`
    : `Requires=basic.target
After=basic.target`
}
Conflicts=shutdown.target
Before=shutdown.target
# Whoever waits for the start waits no longer than this; the unit goes on "activating" all the same.
JobRunningTimeoutSec=60s
# No number of failures makes systemd give up.
StartLimitIntervalSec=0
`;

const service = (role: Role, { executable, systemd = 252 }: UnitOptions) => `\
[Service]
Type=notify
NotifyAccess=main
ExecStart=${quoted(executable)} ${role}
# By the shell, as a bare Debian has no kill: that is of procps.
ExecReload=/bin/sh -c 'kill -HUP $MAINPID'
SyslogIdentifier=muster-${role}
# READY comes once ${role === 'agent' ? 'the node is registered, or waits for approval' : 'the roll is read and nodes are answered'}; until then it tries, for as long as it takes.
TimeoutStartSec=infinity
# Fed while the event loop turns and the work is on schedule. A broker that is away starves nobody.
WatchdogSec=30s
# It stops within 5 s by itself.
TimeoutStopSec=10s
# ${role === 'agent' ? "The inventory's" : "The broker's"} process is ended by its parent, in order.
KillMode=mixed
Restart=always
RestartSec=5s
${
  systemd >= 254
    ? `RestartSteps=4
RestartMaxDelaySec=60s
`
    : ''
}\
# Wrong usage and a bad configuration do not mend themselves: they wait for a person.
RestartPreventExitStatus=64 78
`;

// The socket that answers "muster status" is also the lock on the state, so it lives there: in a RuntimeDirectory= of this
// unit, a second process started by hand would find the state unlocked.
const folders = `\
# A user that exists only while this runs; the same for both roles, as they share the state folder.
DynamicUser=yes
User=muster
StateDirectory=muster
StateDirectoryMode=0700
CacheDirectory=muster
CacheDirectoryMode=0700
ConfigurationDirectory=muster
UMask=0077
# For a dataDir elsewhere, in a drop-in: ReadWritePaths=/that/folder, which belongs to a fixed user muster.
`;

const brokerFolder = `\
# The broker that the program carries is run from there. From 257 on, systemd mounts a state folder so that nothing can be.
ExecPaths=/var/lib/muster
`;

const secrets = (role: Role) => `\
# Secrets: files in /etc/credstore that only root reads; this service gets copies of its own. One that is not there is left out.
# Encrypted ones are named in a drop-in: LoadCredentialEncrypted=nats.token:/etc/credstore.encrypted/muster-${role}.nats.token
${settingKeys
  .filter(isSecret)
  .map(key => `LoadCredential=${key}:muster-${role}.${key}\n`)
  .join('')}`;

const limits = (role: Role) =>
  role === 'agent'
    ? `\
# Beyond this it is slowed down, not killed. No MemoryMax= and no CPUQuota=: the agent would take the limit of its own group
# for that of the machine, and offer no more than it.
MemoryHigh=512M
TasksMax=256
# When a tool that it asked is killed for memory, the agent goes on.
OOMPolicy=continue
# No core dumps: memory holds secrets.
LimitCORE=0
`
    : `\
# The broker's share included. Beyond this it is slowed down, not killed.
MemoryHigh=50%
TasksMax=1024
# A broker that is killed for memory is started again.
OOMPolicy=continue
# One for each node that is connected to the broker.
LimitNOFILE=524288
# No core dumps: memory holds secrets.
LimitCORE=0
`;

// What holds without a mount namespace, which a user's service manager may not be allowed to make.
const always = (role: Role) => `\
NoNewPrivileges=yes
LockPersonality=yes
RestrictNamespaces=yes
RestrictRealtime=yes
RestrictSUIDSGID=yes
# AF_NETLINK lists the network interfaces; AF_UNIX is the way to systemd, and to "muster status".
RestrictAddressFamilies=AF_INET AF_INET6 AF_UNIX AF_NETLINK
SystemCallArchitectures=native
SystemCallFilter=@system-service
SystemCallFilter=~@privileged @resources
${
  role === 'agent'
    ? `# The inventory steps back behind everybody else.
SystemCallFilter=setpriority
`
    : ''
}\
SystemCallErrorNumber=EPERM
# Not MemoryDenyWriteExecute=: V8 compiles to memory, and dies of it.
`;

const userSandbox = (role: Role) => `\
# Its configuration is the user's own, also where the machine has one in /etc/muster.
ConfigurationDirectory=muster
UMask=0077
${always(role)}`;

const sandbox = (role: Role) => `\
${always(role)}\
CapabilityBoundingSet=
AmbientCapabilities=
PrivateUsers=yes
PrivateMounts=yes
PrivateTmp=yes
ProtectSystem=strict
ProtectHome=yes
ProtectClock=yes
ProtectControlGroups=yes
ProtectHostname=yes
ProtectKernelLogs=yes
ProtectKernelModules=yes
ProtectKernelTunables=yes
# Not ProcSubset=pid: ${role === 'agent' ? 'what the machine is stands in /proc/meminfo, /proc/stat and /proc/driver' : "the machine's memory stands in /proc/meminfo"}.
ProtectProc=invisible
RemoveIPC=yes
`;

const devices = (role: Role, groups: readonly string[]) =>
  role === 'requester'
    ? 'PrivateDevices=yes\n'
    : `\
# GPUs are seen through their devices, so these are allowed by class rather than hidden (PrivateDevices=). A driver that is
# loaded later needs a restart. NVIDIA's device files must be there: nothing here may make them (nvidia-persistenced does).
DevicePolicy=closed
DeviceAllow=char-nvidia* rw
DeviceAllow=char-drm rw
DeviceAllow=char-kfd rw
DeviceAllow=char-accel rw
# AMD's and Intel's tools ask for these groups. Only those that exist may stand here: else the unit does not start.
${groups.length ? `SupplementaryGroups=${groups.join(' ')}` : '#SupplementaryGroups=render video'}
`;

const install = (system: boolean) => `\
[Install]
WantedBy=${system ? 'multi-user.target' : 'default.target'}
`;

/** As an argument of ExecStart=: see "Quoting" and "Command lines" in systemd.service(5). */
function quoted(executable: string): string {
  if (!isAbsolute(executable) || /[\p{Cc}'"\\]/u.test(executable)) {
    throw new MusterError('usage', `a service cannot be started by the path ${JSON.stringify(executable)}`, {
      hint: 'put muster where its path is absolute and has no quotes, backslashes or control characters, such as /usr/bin/muster',
    });
  }
  const text = executable.replaceAll('%', '%%').replaceAll('$', '$$$$');
  return /\s/.test(text) ? `"${text}"` : text;
}
