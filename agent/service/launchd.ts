// Writes the files for launchd (macOS): the property list of a role, and the rule with which newsyslog rotates its log.
import { build, type PlistValue } from 'plist';
import type { Role } from '../config/role.ts';
import { launchdLabel } from './service-paths.ts';

export interface LaunchdOptions {
  /** Absolute path of the program. */
  executable: string;
  /** Absolute path of the log file. */
  logFile: string;
  /**
   * The folder that is searched first for the configuration. When it is undefined, the machine's folder is searched
   * first.
   */
  configFolder?: string | undefined;
}

/**
 * Shortest time between two starts, in seconds. launchd restarts the role after any failure, also after exit code 78 (bad
 * configuration). With 30 s a bad configuration costs one short process and a few log lines each half minute. A corrected
 * configuration is used without a restart by the operator. After a crash the role is back before `nodeDisconnectedAfter`
 * (45 s).
 */
const throttleSeconds = 30;

/** The file mode mask: only the owner may read what the service writes. launchd reads this number as decimal. */
const umask = 0o077;

/** Returns the property list of `role` as XML, for a LaunchDaemon or a LaunchAgent. */
export function plistFile(role: Role, options: LaunchdOptions): string {
  return `${build(plist(role, options))}\n`;
}

function plist(role: Role, { executable, logFile, configFolder }: LaunchdOptions): PlistValue {
  return {
    Label: launchdLabel(role),
    ProgramArguments: [executable, role],
    RunAtLoad: true,
    // A role that was told to stop ends with 0 and stays down. Every other end is a failure.
    KeepAlive: { SuccessfulExit: false },
    ThrottleInterval: throttleSeconds,
    // A role needs up to 5 s to stop, but some versions of launchd kill a service after 5 s without this line.
    ExitTimeOut: 10,
    ProcessType: 'Background',
    Umask: umask,
    // The role's log goes to the same file, so that the last output of a crashing Node is among its lines.
    StandardOutPath: logFile,
    StandardErrorPath: logFile,
    // launchd opens those files only at the start, so it would write to the rotated file for ever. Therefore the role opens
    // the file itself, and opens it again when newsyslog has replaced it.
    EnvironmentVariables: {
      MUSTER_LOG_FILE: logFile,
      ...(configFolder === undefined ? {} : { CONFIGURATION_DIRECTORY: configFolder }),
    },
  };
}

/** The size at which the log is rotated, and the number of old files that are kept. */
const rotation = { sizeKib: 10_240, keptFiles: 5 };

/**
 * Returns the line with which newsyslog rotates a log. Flag N: no process gets a signal, because the role notices the
 * rotation. Flag B: newsyslog adds no line of its own to the JSON. The old file is not compressed, because newsyslog
 * would do that at once, and lines that are being written would be lost. @param owner `user:group` of the new file
 */
export function newsyslogLine(logFile: string, owner: string): string {
  return `${logFile}  ${owner}  600  ${rotation.keptFiles}  ${rotation.sizeKib}  *  BN\n`;
}

/** Returns the content of the file for `/etc/newsyslog.d`. */
export function newsyslogFile(role: Role, logFile: string): string {
  const lines = [
    `# newsyslog(8) rotates the log of the muster ${role}. The ${role} opens the new file by itself.`,
    '# file  owner:group  mode  kept  KiB  when  flags',
  ];
  return `${lines.join('\n')}\n${newsyslogLine(logFile, 'root:wheel')}`;
}
