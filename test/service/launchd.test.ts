// Reads launchd's files back with the library that wrote them. These tests do not need macOS.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { type PlistValue, parse } from 'plist';
import { environmentName, settingOf } from '../../agent/config/keys.ts';
import { roles } from '../../agent/config/role.ts';
import { newsyslogFile, plistFile } from '../../agent/service/launchd.ts';
import { createServiceFiles } from '../../agent/service/service-files.ts';
import { launchdLabel, servicePathsOf } from '../../agent/service/service-paths.ts';
import { defaultSettings } from '../support/default-settings.ts';

const executable = '/usr/local/bin/muster';
const logFile = '/var/log/muster-agent.log';

type Dictionary = { [key: string]: PlistValue };

const read = (text: string) => parse(text) as Dictionary;

/** Every key that is written: its type and its meaning as in launchd.plist(5), and the expected value. */
const manual: Record<string, { type: string; means: string; value: PlistValue }> = {
  Label: { type: 'string', means: 'required; names the job, and the file', value: 'org.muster.agent' },
  ProgramArguments: {
    type: 'array of strings',
    means: 'the argument vector; without Program, its first is the program, here by absolute path',
    value: [executable, 'agent'],
  },
  RunAtLoad: { type: 'boolean', means: 'started once it is loaded: at boot', value: true },
  KeepAlive: {
    type: 'boolean or dictionary',
    means: 'SuccessfulExit false: started again unless it ended with 0, thus also after a signal',
    value: { SuccessfulExit: false },
  },
  ThrottleInterval: { type: 'integer', means: 'seconds, at least, from start to start; else 10', value: 30 },
  ExitTimeOut: { type: 'integer', means: 'seconds from SIGTERM to SIGKILL', value: 10 },
  ProcessType: {
    type: 'string',
    means: 'Background, Standard, Adaptive or Interactive: work that nobody at the screen waits for',
    value: 'Background',
  },
  Umask: { type: 'integer or string', means: 'an integer is decimal: 63 is 077', value: 63 },
  StandardOutPath: {
    type: 'string',
    means: 'opened at each start, made when it is not there',
    value: logFile,
  },
  StandardErrorPath: { type: 'string', means: 'the same', value: logFile },
  EnvironmentVariables: {
    type: 'dictionary of strings',
    means: 'set before it runs',
    value: { MUSTER_LOG_FILE: logFile },
  },
};

test('a property list has exactly these keys of the manual page, with these values', () => {
  const written = read(plistFile('agent', { executable, logFile }));
  const expected = Object.fromEntries(Object.entries(manual).map(([key, { value }]) => [key, value]));
  assert.deepEqual(written, expected);
  for (const [key, { type }] of Object.entries(manual)) {
    assert.match(typeOf(written[key]), new RegExp(type.replaceAll(' or ', '|')), key);
  }
});

test('each role has its own label, and its file has the name that launchd expects', () => {
  for (const role of roles) {
    const written = read(plistFile(role, { executable, logFile }));
    assert.deepEqual([written.Label, written.ProgramArguments], [`org.muster.${role}`, [executable, role]]);
    const { unit, name } = servicePathsOf('launchd', 'system', role, undefined);
    assert.equal(unit, `/Library/LaunchDaemons/${launchdLabel(role)}.plist`);
    assert.equal(name, launchdLabel(role));
  }
});

test('any path is read back as it was written', () => {
  const path = fc.string({ unit: 'grapheme', minLength: 1 }).map(text => `/${text}`);
  fc.assert(
    fc.property(path, path, (program, log) => {
      // XML cannot contain some characters, and some readers take others for line breaks. Paths with such characters are
      // refused before.
      fc.pre(/^[^\p{Cc}\p{Cs}\p{Zl}\p{Zp}\ufffe\uffff]*$/u.test(program + log));
      const written = read(plistFile('agent', { executable: program, logFile: log }));
      assert.deepEqual(written.ProgramArguments, [program, 'agent']);
      assert.equal(written.StandardErrorPath, log);
    }),
  );
  const hostile = '/a&b<c>"\'/<!--]]>';
  assert.deepEqual(read(plistFile('agent', { executable: hostile, logFile })).ProgramArguments, [
    hostile,
    'agent',
  ]);
});

test('the environment variable is that of the setting log.file, so that the role opens the log itself', () => {
  assert.equal(environmentName('log.file'), 'MUSTER_LOG_FILE');
  assert.equal(settingOf('log.file').roles, 'both');
});

test('launchd restarts a crashed agent before the requester calls the node UNHEALTHY', () => {
  const { ThrottleInterval } = read(plistFile('agent', { executable, logFile }));
  assert.ok(Number(ThrottleInterval) * 1000 < defaultSettings().requester.nodeDisconnectedAfter);
});

test('newsyslog rotates the log by size, sends no signal, adds no line, and compresses nothing', () => {
  const lines = newsyslogFile('requester', logFile).trimEnd().split('\n');
  const rules = lines.filter(line => !line.startsWith('#'));
  assert.equal(rules.length, 1);
  // newsyslog.conf(5): file, owner:group, mode, count, size in KiB, when, flags.
  assert.deepEqual(rules[0]?.split(/\s+/), [logFile, 'root:wheel', '600', '5', '10240', '*', 'BN']);
});

function typeOf(value: PlistValue | undefined): string {
  if (Array.isArray(value))
    return value.every(each => typeof each === 'string') ? 'array of strings' : 'array';
  if (typeof value === 'number') return Number.isInteger(value) ? 'integer' : 'real';
  if (typeof value !== 'object' || value === null) return typeof value;
  return Object.values(value).every(each => typeof each === 'string')
    ? 'dictionary of strings'
    : 'dictionary';
}

test('the configuration of the user comes before that of the machine, as with systemd', async () => {
  const home = { config: '/Users/me/Library/Preferences/muster', data: '/Users/me/d', cache: '/Users/me/c' };
  const wish = { manager: 'launchd', role: 'agent', executable, systemd: undefined, groups: [] } as const;
  const folder = async (scope: 'system' | 'user') => {
    const { unit } = await createServiceFiles(
      { ...wish, scope },
      servicePathsOf('launchd', scope, 'agent', home),
    );
    return (read(unit.content).EnvironmentVariables as Dictionary).CONFIGURATION_DIRECTORY;
  };
  assert.equal(await folder('user'), home.config);
  assert.equal(await folder('system'), undefined);
});
