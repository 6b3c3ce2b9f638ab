// The files of launchd (macOS): the property list of each role, and the rotation of its log by newsyslog.
import { build, type PlistValue } from 'plist';
import type { Role } from '../config/role.ts';
import { launchdLabel } from './service-paths.ts';

export interface LaunchdOptions {
  /** The program, by absolute path. */
  executable: string;
  /** The file that takes the log, by absolute path. */
  logFile: string;
  /** Where its configuration is before it is anywhere else; without it, in the machine's folder. */
  configFolder?: string | undefined;
}

/**
 * Seconds from one start to the next. launchd cannot tell exit 78 (bad configuration) from a fault that passes: it starts
 * the role again after any failure. At 30 s a bad configuration costs one short process and a few lines of log each half
 * minute, and a corrected one is taken up without a hand; a crash is over before `nodeDisconnectedAfter` (45 s).
 */
const throttleSeconds = 30;

/** Nobody but the owner reads what the service writes. launchd takes this number as decimal. */
const umask = 0o077;

/** The property list of `role`, as XML, for a LaunchDaemon or a LaunchAgent. */
export function plistFile(role: Role, options: LaunchdOptions): string {
  return `${build(plist(role, options))}\n`;
}

function plist(role: Role, { executable, logFile, configFolder }: LaunchdOptions): PlistValue {
  return {
    Label: launchdLabel(role),
    ProgramArguments: [executable, role],
    RunAtLoad: true,
    // A role that was told to stop ends with 0 and stays down; all else is a failure.
    KeepAlive: { SuccessfulExit: false },
    ThrottleInterval: throttleSeconds,
    // A role stops within 5 s; some versions of launchd kill after 5 s unless told otherwise.
    ExitTimeOut: 10,
    ProcessType: 'Background',
    Umask: umask,
    // Both, as the role's own log goes there too: what Node itself has to say when it dies stands among the rest.
    StandardOutPath: logFile,
    StandardErrorPath: logFile,
    // launchd opens these files once, at the start: what it opened goes on to the rotated file. So the role opens the
    // file itself, and anew once newsyslog has put another in its place.
    EnvironmentVariables: {
      MUSTER_LOG_FILE: logFile,
      ...(configFolder === undefined ? {} : { CONFIGURATION_DIRECTORY: configFolder }),
    },
  };
}

/** KiB that the log may have before it is rotated, and how many old ones are kept. */
const rotation = { size: 10_240, kept: 5 };

/**
 * What newsyslog needs to rotate the log of `role`. N: nobody is told, the role sees it. B: no line of newsyslog's own
 * among the JSON. Not compressed: that is done at once, and would cost the lines that are being written.
 * @param owner `user:group`, of the new file
 */
export function newsyslogLine(logFile: string, owner: string): string {
  return `${logFile}  ${owner}  600  ${rotation.kept}  ${rotation.size}  *  BN\n`;
}

/** The file for `/etc/newsyslog.d`. */
export function newsyslogFile(role: Role, logFile: string): string {
  const lines = [
    `# newsyslog(8) rotates the log of muster's ${role}. The ${role} opens the new file by itself.`,
    '# file  owner:group  mode  kept  KiB  when  flags',
  ];
  return `${lines.join('\n')}\n${newsyslogLine(logFile, 'root:wheel')}`;
}
