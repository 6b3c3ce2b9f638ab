// Installing, decided: for both service managers, from a bare machine to one where all is as it should be. Pure.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { type InstallParameters, planInstall } from '../../agent/service/plan-install.ts';
import type { ManagerName } from '../../agent/service/scope.ts';
import { addSeal } from '../../agent/service/seal.ts';
import { type ServicePaths, servicePathsOf } from '../../agent/service/service-paths.ts';
import { found, type Made, root, running, said, stopped, usualFolders } from './inspection.ts';

const home = {
  config: '/home/a/.config/muster',
  data: '/home/a/.local/share/muster',
  cache: '/home/a/.cache/muster',
};
const macHome = {
  config: '/Users/a/Library/Preferences/muster',
  data: '/Users/a/Library/Application Support/muster',
  cache: '/Users/a/Library/Caches/muster',
};
const content = addSeal('[Unit]\n');

function wish(
  manager: ManagerName,
  places: ServicePaths,
  more: Partial<InstallParameters> = {},
): InstallParameters {
  return {
    manager,
    scope: 'system',
    owner: root,
    uid: 0,
    unit: { path: places.unit, content },
    rotation: places.rotation ? { path: places.rotation, content: addSeal('rule\n') } : undefined,
    config: { path: places.config, content: 'sample\n' },
    start: true,
    configIsValid: true,
    force: false,
    root: undefined,
    ...more,
  };
}

describe('systemd', () => {
  const places = servicePathsOf('systemd', 'system', 'agent', undefined);
  const unit = '/etc/systemd/system/muster-agent.service';
  const folders = usualFolders(places);
  const plan = (made: Made, more: Partial<InstallParameters> = {}) =>
    planInstall(wish('systemd', places, more), places, found({ folders, ...made }));
  const installed = { texts: { [unit]: content, '/etc/muster/config.yaml': 'mine\n' }, service: running };

  test('on a bare machine: configuration, unit, start, without waiting for the cluster', () => {
    const bare = plan({ folders: ['/etc', '/etc/systemd', '/etc/systemd/system'] });
    assert.deepEqual(said(bare), [
      'make /etc/muster',
      'write /etc/muster/config.yaml',
      `write ${unit}`,
      'run daemon-reload',
      'run enable muster-agent.service',
      'run start --no-block muster-agent.service',
    ]);
    assert.deepEqual([bare.warnings, bare.notes], [[], []]);
    const [folder, config] = bare.steps;
    assert.deepEqual(folder, { do: 'folder', path: '/etc/muster', mode: 0o755, owner: root });
    // The service's own user reads it.
    assert.deepEqual(config, {
      do: 'write',
      path: '/etc/muster/config.yaml',
      mode: 0o644,
      owner: root,
      content: 'sample\n',
      replaces: false,
    });
  });

  test('where all is as it should be: nothing', () => {
    assert.deepEqual(plan(installed), { steps: [], warnings: [], notes: [] });
    assert.deepEqual(said(plan({ ...installed, service: { ...running, state: 'starting' } })), []);
  });

  test('what is missing is done, and no more', () => {
    const of = (service: Partial<typeof running>) =>
      said(plan({ ...installed, service: { ...running, ...service } }));
    assert.deepEqual(of({ enabled: false }), ['run enable muster-agent.service']);
    assert.deepEqual(of({ state: 'failed' }), ['run start --no-block muster-agent.service']);
    assert.deepEqual(of({ unitChanged: true }), ['run daemon-reload']);
  });

  test('only installed: it starts neither now nor at boot', () => {
    const only = plan({ folders }, { start: false });
    assert.deepEqual(said(only), ['write /etc/muster/config.yaml', `write ${unit}`, 'run daemon-reload']);
  });

  test('an older unit of ours is replaced, and the service started anew', () => {
    const texts = { ...installed.texts, [unit]: addSeal('older\n') };
    assert.deepEqual(said(plan({ ...installed, texts })), [
      `replace ${unit}`,
      'run daemon-reload',
      'run restart --no-block muster-agent.service',
    ]);
  });

  test('a program that was replaced under the running service: started anew', () => {
    assert.deepEqual(said(plan({ ...installed, outdated: true })), [
      'run restart --no-block muster-agent.service',
    ]);
  });

  test('one that runs and would not start again is left alone, with a sentence', () => {
    const older = { ...installed.texts, [unit]: addSeal('older\n') };
    const restart = 'run restart --no-block muster-agent.service';
    for (const made of [
      { ...installed, texts: older },
      { ...installed, outdated: true },
    ]) {
      assert.throws(
        () => plan(made, { configIsValid: false }),
        /runs, and would not start again: it is left as it is/,
      );
      assert.equal(said(plan(made, { configIsValid: false, force: true })).at(-1), restart);
    }
    const failed = { ...installed, service: { ...running, state: 'failed' as const } };
    assert.deepEqual(said(plan(failed, { configIsValid: false })), [
      'run start --no-block muster-agent.service',
    ]);
    assert.deepEqual(said(plan(installed, { configIsValid: false })), []);
  });

  test('what somebody changed, wrote or linked is left, with a sentence; --force replaces it', () => {
    const changed = content.replace('[Unit]', '[Unit]\nAfter=x');
    const cases: [Made, RegExp][] = [
      [{ texts: { ...installed.texts, [unit]: changed } }, /it was changed since it was installed; --force/],
      [{ texts: { ...installed.texts, [unit]: 'mine' } }, /muster did not write it; --force/],
      [
        { texts: { '/etc/muster/config.yaml': '' }, links: { [unit]: '/dev/null' } },
        /it is a link to \/dev\/null/,
      ],
    ];
    for (const [made, why] of cases) {
      const left = plan({ service: running, ...made });
      assert.deepEqual([said(left), left.warnings.length], [[], 1]);
      assert.match(left.warnings[0] ?? '', why);
      assert.deepEqual(said(plan({ service: running, ...made }, { force: true })).slice(0, 1), [
        `replace ${unit}`,
      ]);
    }
  });

  test('a configuration that is there is never touched, not even by force', () => {
    for (const text of ['', 'mine', 'sample\n', addSeal('x')]) {
      const texts = { '/etc/muster/config.yaml': text };
      const written = said(plan({ texts, folders }, { force: true })).filter(step =>
        step.includes('config.yaml'),
      );
      assert.deepEqual(written, []);
    }
  });

  test('a package’s unit is used as it is', () => {
    const packaged = '/usr/lib/systemd/system/muster-agent.service';
    const used = plan({ packaged, folders });
    assert.deepEqual(said(used), [
      'write /etc/muster/config.yaml',
      'run enable muster-agent.service',
      'run start --no-block muster-agent.service',
    ]);
    assert.match(used.notes.join(), /comes from a package and is used/);
    assert.match(plan({ ...installed, packaged }).warnings.join(), /takes its place/);
  });

  test('a role that was started by hand holds the state, and that is said', () => {
    assert.match(plan({ ...installed, holder: 77 }).warnings.join(), /process 77 runs this role already/);
    assert.deepEqual(plan({ ...installed, holder: running.pid ?? 0 }).warnings, []);
  });

  test('a service that was masked is left alone, and how to unmask it is told', () => {
    const masked = { ...stopped, word: 'masked' };
    const made = { ...installed, texts: {}, links: { [unit]: '/dev/null' }, service: masked };
    assert.throws(() => plan(made), {
      code: 'failed',
      message: 'muster-agent.service is masked: somebody wants that it is never started',
      hint: 'systemctl unmask muster-agent.service',
    });
    assert.throws(() => plan(made, { scope: 'user' }), {
      hint: 'systemctl --user unmask muster-agent.service',
    });
    assert.ok(said(plan(made, { force: true })).includes(`replace ${unit}`));
  });

  test('into another root: files and a link, and no service manager', () => {
    const other = plan({ service: stopped }, { root: '/img' });
    assert.deepEqual(said(other).slice(-1), ['run --root=/img enable muster-agent.service']);
    assert.ok(!said(other).some(step => step.includes('daemon-reload') || step.includes('start')));
    assert.deepEqual(
      said(plan({ ...installed, service: { ...stopped, enabled: true } }, { root: '/img' })),
      [],
    );
  });

  test('of one user: in the user’s own folders, by the user’s own systemd', () => {
    const own = servicePathsOf('systemd', 'user', 'agent', home);
    const owner = { uid: 7, gid: 7, name: 'a:7' };
    const mine = planInstall(
      wish('systemd', own, { scope: 'user', uid: 7, owner }),
      own,
      found({ folders: ['/home', '/home/a'] }),
    );
    assert.deepEqual(said(mine), [
      'make /home/a/.config',
      'make /home/a/.config/muster',
      'write /home/a/.config/muster/config.yaml',
      'make /home/a/.config/systemd',
      'make /home/a/.config/systemd/user',
      'write /home/a/.config/systemd/user/muster-agent.service',
      'run --user daemon-reload',
      'run --user enable muster-agent.service',
      'run --user start --no-block muster-agent.service',
    ]);
    const written = mine.steps.flatMap(step => (step.action === 'write' ? [[step.mode, step.owner]] : []));
    assert.deepEqual(written, [
      [0o600, owner],
      [0o644, owner],
    ]);
  });
});

describe('launchd', () => {
  const places = servicePathsOf('launchd', 'system', 'requester', undefined);
  const unit = '/Library/LaunchDaemons/org.muster.requester.plist';
  const rule = '/etc/newsyslog.d/org.muster.requester.conf';
  const folders = usualFolders(places);
  const plan = (made: Made, more: Partial<InstallParameters> = {}) =>
    planInstall(
      wish('launchd', places, more),
      places,
      found({ folders, service: { ...stopped, enabled: true }, ...made }),
    );
  const texts = { [unit]: content, [rule]: addSeal('rule\n'), '/etc/muster/config.yaml': '' };

  test('on a bare machine: the property list, the rotation of its log, and its start', () => {
    assert.deepEqual(said(plan({})), [
      'write /etc/muster/config.yaml',
      `write ${unit}`,
      `write ${rule}`,
      `run bootstrap system ${unit}`,
    ]);
  });

  test('where all is as it should be: nothing', () => {
    assert.deepEqual(plan({ texts, service: running }), { steps: [], warnings: [], notes: [] });
  });

  test('one that was disabled, or ended well, is started', () => {
    assert.deepEqual(said(plan({ texts, service: { ...running, enabled: false } })), [
      'run enable system/org.muster.requester',
    ]);
    assert.deepEqual(said(plan({ texts, service: { ...running, state: 'stopped' } })), [
      'run kickstart system/org.muster.requester',
    ]);
  });

  test('a newer property list: out, gone, and in again', () => {
    const older = { ...texts, [unit]: addSeal('older') };
    assert.deepEqual(said(plan({ texts: older, service: running })), [
      `replace ${unit}`,
      'run bootout system/org.muster.requester',
      'await stop',
      `run bootstrap system ${unit}`,
    ]);
  });

  test('a newer rotation alone leaves the service be', () => {
    const older = { ...texts, [rule]: addSeal('older') };
    assert.deepEqual(said(plan({ texts: older, service: running })), [`replace ${rule}`]);
  });

  test('only installed: disabled, else the next boot would start it', () => {
    assert.deepEqual(said(plan({}, { start: false })).slice(-1), ['run disable system/org.muster.requester']);
    assert.deepEqual(said(plan({ texts, service: stopped }, { start: false })), []);
  });

  test('into another root: files only', () => {
    assert.deepEqual(said(plan({ service: undefined }, { root: '/img' })), [
      'write /etc/muster/config.yaml',
      `write ${unit}`,
      `write ${rule}`,
    ]);
  });

  test('of one user: a LaunchAgent, whose log nobody but root can have rotated', () => {
    const own = servicePathsOf('launchd', 'user', 'agent', macHome);
    const library = '/Users/a/Library';
    const mine = planInstall(
      wish('launchd', own, { scope: 'user', uid: 501 }),
      own,
      found({ folders: ['/Users', '/Users/a', library] }),
    );
    assert.deepEqual(said(mine), [
      `make ${library}/Preferences`,
      `make ${library}/Preferences/muster`,
      `write ${library}/Preferences/muster/config.yaml`,
      `make ${library}/Logs`,
      `make ${library}/LaunchAgents`,
      `write ${library}/LaunchAgents/org.muster.agent.plist`,
      'run enable gui/501/org.muster.agent',
      `run bootstrap gui/501 ${library}/LaunchAgents/org.muster.agent.plist`,
    ]);
  });
});
