// Writes the systemd units of both roles: readiness and watchdog with sd_notify, restarts without limit, and a sandbox that
// allows only what the role needs. The units are for systemd 252; newer options are added for newer versions.
import { isAbsolute } from 'node:path';
import { isSecret, settingKeys, settingOf } from '../config/keys.ts';
import type { Role } from '../config/role.ts';
import { MusterError } from '../system/errors.ts';
import { unitName } from './scope.ts';

export interface UnitOptions {
  /** Absolute path of the program. */
  executable: string;
  /** Whether the unit is for the whole machine or for one user (`systemctl --user`). */
  scope: 'system' | 'user';
  /** The version of systemd that will read the unit; undefined means 252. */
  systemd?: number | undefined;
  /** Those of the groups `render` and `video` that exist here. A unit that names a missing group does not start. */
  groups?: readonly string[] | undefined;
}

/**
 * Returns the unit file of `role`. Comments in it say why each line is there. @throws MusterError `usage` when a unit
 * cannot contain the path `executable`.
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
  agent: 'muster agent: registers this machine with its cluster and reports its state',
  requester: 'muster requester: keeps the roll of the cluster',
};

const header = (role: Role) => `\
# Make changes in a drop-in, which survives an upgrade: systemctl edit ${unitName(role)}
`;

const unitSection = (role: Role, system: boolean) => `\
[Unit]
Description=${about[role]}
# The role is not ready while the broker is away. Without the default dependencies no target waits for the role, so that a
# broker that is down never delays a boot. The other default dependencies are repeated here.
DefaultDependencies=no
${
  system
    ? `Requires=sysinit.target
After=sysinit.target basic.target
# At shutdown the network stops after this unit, so that the agent can still tell the cluster that it leaves.
After=network.target nss-lookup.target`
    : `Requires=basic.target
After=basic.target`
}
Conflicts=shutdown.target
Before=shutdown.target
# A command that waits for the start gives up after this time; the unit continues to start.
JobRunningTimeoutSec=60s
# systemd never stops restarting, however often the role fails.
StartLimitIntervalSec=0
`;

const service = (role: Role, { executable, systemd = 252 }: UnitOptions) => `\
[Service]
Type=notify
NotifyAccess=main
ExecStart=${quoted(executable)} ${role}
# The shell has a kill of its own; a minimal Debian has no /bin/kill, which is in procps.
ExecReload=/bin/sh -c 'kill -HUP $MAINPID'
SyslogIdentifier=muster-${role}
# The role is ready when ${role === 'agent' ? 'the node is registered, or waits for approval' : 'the roll is read and requests of nodes are answered'}. Until then it keeps trying.
TimeoutStartSec=infinity
# The role feeds the watchdog while its work is on schedule. A broker that is away is no reason for a restart.
WatchdogSec=30s
# The role stops within 5 s by itself.
TimeoutStopSec=10s
# The role itself stops the process of ${role === 'agent' ? 'the inventory' : 'the broker'}, in the right order.
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
# After wrong usage (64) or a bad configuration (78) a restart does not help: a person must correct it.
RestartPreventExitStatus=64 78
`;

// The socket that answers "muster status" is also the lock on the state, so it is in the state folder. If it were in a
// RuntimeDirectory= of the unit, a second process that a person starts would not see the lock.
const folders = `\
# The user exists only while the service runs. It is the same for both roles, because they share the state folder.
DynamicUser=yes
User=muster
StateDirectory=muster
StateDirectoryMode=0700
CacheDirectory=muster
CacheDirectoryMode=0700
ConfigurationDirectory=muster
UMask=0077
# A dataDir elsewhere needs ReadWritePaths=/that/folder in a drop-in, and a fixed user muster that owns the folder.
`;

const brokerFolder = `\
# The broker that the program carries runs from this folder. From version 257 on, systemd mounts it noexec otherwise.
ExecPaths=/var/lib/muster
`;

const secrets = (role: Role) => `\
# Secrets are files in /etc/credstore that only root can read; the service gets copies. A missing file is ignored.
# An encrypted secret needs a drop-in: LoadCredentialEncrypted=nats.token:/etc/credstore.encrypted/muster-${role}.nats.token
${settingKeys
  .filter(isSecret)
  .filter(key => [role, 'both'].includes(settingOf(key).roles))
  .map(key => `LoadCredential=${key}:muster-${role}.${key}\n`)
  .join('')}`;

const limits = (role: Role) =>
  role === 'agent'
    ? `\
# Above this the agent is slowed down, not killed. There is no MemoryMax= and no CPUQuota=, because the agent would take these
# limits for those of the machine, and offer no more than that.
MemoryHigh=512M
TasksMax=256
# The agent goes on when one of its tools is killed because memory ran out.
OOMPolicy=continue
# No core dumps, because the memory contains secrets.
LimitCORE=0
`
    : `\
# Includes the broker. Above this the requester is slowed down, not killed.
MemoryHigh=50%
TasksMax=1024
# The requester restarts a broker that is killed because memory ran out.
OOMPolicy=continue
# One file for each node that is connected to the broker.
LimitNOFILE=524288
# No core dumps, because the memory contains secrets.
LimitCORE=0
`;

// Returns the lines that need no mount namespace, because a user's service manager may not be allowed to make one.
const always = (role: Role) => `\
NoNewPrivileges=yes
LockPersonality=yes
RestrictNamespaces=yes
RestrictRealtime=yes
RestrictSUIDSGID=yes
# AF_NETLINK is needed to list the network interfaces, AF_UNIX to talk to systemd and to answer "muster status".
RestrictAddressFamilies=AF_INET AF_INET6 AF_UNIX AF_NETLINK
SystemCallArchitectures=native
SystemCallFilter=@system-service
SystemCallFilter=~@privileged @resources
${
  role === 'agent'
    ? `# The inventory lowers its own priority.
SystemCallFilter=setpriority
`
    : ''
}\
SystemCallErrorNumber=EPERM
# MemoryDenyWriteExecute= is not set, because V8 compiles code to memory and would crash.
`;

const userSandbox = (role: Role) => `\
# The service reads the configuration of the user, even when the machine has one in /etc/muster.
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
# ProcSubset=pid is not set, because the ${role} reads ${role === 'agent' ? '/proc/meminfo, /proc/stat and /proc/driver' : '/proc/meminfo'}.
ProtectProc=invisible
RemoveIPC=yes
`;

const devices = (role: Role, groups: readonly string[]) =>
  role === 'requester'
    ? 'PrivateDevices=yes\n'
    : `\
# The agent sees GPUs through their device files, so PrivateDevices= is not set and these classes are allowed. After a driver is
# loaded later, restart the service. The service cannot make NVIDIA's device files; nvidia-persistenced does that.
DevicePolicy=closed
DeviceAllow=char-nvidia* rw
DeviceAllow=char-drm rw
DeviceAllow=char-kfd rw
DeviceAllow=char-accel rw
# The tools of AMD and Intel need these groups. A unit that names a group that does not exist does not start.
${groups.length ? `SupplementaryGroups=${groups.join(' ')}` : '#SupplementaryGroups=render video'}
`;

const install = (system: boolean) => `\
[Install]
WantedBy=${system ? 'multi-user.target' : 'default.target'}
`;

/** Returns the path as an argument of ExecStart=. See "Quoting" and "Command lines" in systemd.service(5). */
function quoted(executable: string): string {
  if (!isAbsolute(executable) || /[\p{Cc}'"\\]/u.test(executable)) {
    throw new MusterError('usage', `a systemd unit cannot contain the path ${JSON.stringify(executable)}`, {
      hint: 'use an absolute path without quotes, backslashes and control characters, such as /usr/bin/muster',
    });
  }
  const text = executable.replaceAll('%', '%%').replaceAll('$', '$$$$');
  return /\s/.test(text) ? `"${text}"` : text;
}
