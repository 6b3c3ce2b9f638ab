// Plans installations for both service managers, from a machine without muster to one where nothing is left to do.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { type InstallParameters, planInstall } from '../../agent/service/plan-install.ts';
import type { ManagerName } from '../../agent/service/scope.ts';
import { addSeal } from '../../agent/service/seal.ts';
import { type ServicePaths, servicePathsOf } from '../../agent/service/service-paths.ts';
import { inspection, type Made, root, running, stepTexts, stopped, usualFolders } from './inspection.ts';

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
    planInstall(wish('systemd', places, more), places, inspection({ folders, ...made }));
  const installed = { texts: { [unit]: content, '/etc/muster/config.yaml': 'mine\n' }, service: running };

  test('a new installation writes configuration and unit, and starts the service without waiting for the cluster', () => {
    const bare = plan({ folders: ['/etc', '/etc/systemd', '/etc/systemd/system'] });
    assert.deepEqual(stepTexts(bare), [
      'make /etc/muster',
      'write /etc/muster/config.yaml',
      `write ${unit}`,
      'run daemon-reload',
      'run enable muster-agent.service',
      'run start --no-block muster-agent.service',
    ]);
    assert.deepEqual([bare.warnings, bare.notes], [[], []]);
    const [folder, config] = bare.steps;
    assert.deepEqual(folder, { action: 'make folder', path: '/etc/muster', mode: 0o755, owner: root });
    // The user of the service must be able to read it.
    assert.deepEqual(config, {
      action: 'write',
      path: '/etc/muster/config.yaml',
      mode: 0o644,
      owner: root,
      content: 'sample\n',
      replaces: false,
    });
  });

  test('nothing is planned when nothing is to be done', () => {
    assert.deepEqual(plan(installed), { steps: [], warnings: [], notes: [] });
    assert.deepEqual(stepTexts(plan({ ...installed, service: { ...running, state: 'starting' } })), []);
  });

  test('a join code is written where only root and the service read it, and a running service is restarted', () => {
    const code = { path: '/etc/credstore/muster-agent.join.code', content: 'muster1.x\n' };
    const first = plan({ folders: ['/etc', '/etc/systemd', '/etc/systemd/system', '/etc/muster'] }, { code });
    assert.deepEqual(stepTexts(first).slice(0, 3), [
      'write /etc/muster/config.yaml',
      'make /etc/credstore',
      `write ${code.path}`,
    ]);
    const [, folder, file] = first.steps;
    assert.deepEqual(folder, { action: 'make folder', path: '/etc/credstore', mode: 0o700, owner: root });
    assert.deepEqual(file, {
      action: 'write',
      ...code,
      mode: 0o600,
      owner: root,
      replaces: false,
      isSecret: true,
    });
    const again = plan({ ...installed, folders: [...folders, '/etc/credstore'] }, { code });
    assert.deepEqual(stepTexts(again), [`write ${code.path}`, 'run restart --no-block muster-agent.service']);
  });

  test('only the missing steps are planned', () => {
    const of = (service: Partial<typeof running>) =>
      stepTexts(plan({ ...installed, service: { ...running, ...service } }));
    assert.deepEqual(of({ enabled: false }), ['run enable muster-agent.service']);
    assert.deepEqual(of({ state: 'failed' }), ['run start --no-block muster-agent.service']);
    assert.deepEqual(of({ unitChanged: true }), ['run daemon-reload']);
  });

  test('with --no-start the service starts neither now nor at boot', () => {
    const only = plan({ folders }, { start: false });
    assert.deepEqual(stepTexts(only), [
      'write /etc/muster/config.yaml',
      `write ${unit}`,
      'run daemon-reload',
    ]);
  });

  test('an older unit that muster wrote is replaced, and the service is restarted', () => {
    const texts = { ...installed.texts, [unit]: addSeal('older\n') };
    assert.deepEqual(stepTexts(plan({ ...installed, texts })), [
      `replace ${unit}`,
      'run daemon-reload',
      'run restart --no-block muster-agent.service',
    ]);
  });

  test('the service is restarted when its program was replaced', () => {
    assert.deepEqual(stepTexts(plan({ ...installed, outdated: true })), [
      'run restart --no-block muster-agent.service',
    ]);
  });

  test('a running service that would not start again is left unchanged, with an error', () => {
    const older = { ...installed.texts, [unit]: addSeal('older\n') };
    const restart = 'run restart --no-block muster-agent.service';
    for (const made of [
      { ...installed, texts: older },
      { ...installed, outdated: true },
    ]) {
      assert.throws(
        () => plan(made, { configIsValid: false }),
        /runs and would not start again with this configuration: it is left unchanged/,
      );
      assert.equal(stepTexts(plan(made, { configIsValid: false, force: true })).at(-1), restart);
    }
    const failed = { ...installed, service: { ...running, state: 'failed' as const } };
    assert.deepEqual(stepTexts(plan(failed, { configIsValid: false })), [
      'run start --no-block muster-agent.service',
    ]);
    assert.deepEqual(stepTexts(plan(installed, { configIsValid: false })), []);
  });

  test('a unit that somebody changed, wrote or linked stays, with a warning; --force replaces it', () => {
    const changed = content.replace('[Unit]', '[Unit]\nAfter=x');
    const cases: [Made, RegExp][] = [
      [{ texts: { ...installed.texts, [unit]: changed } }, /it was changed after it was installed; --force/],
      [{ texts: { ...installed.texts, [unit]: 'mine' } }, /muster did not write it; --force/],
      [
        { texts: { '/etc/muster/config.yaml': '' }, links: { [unit]: '/dev/null' } },
        /it is a link to \/dev\/null/,
      ],
    ];
    for (const [made, why] of cases) {
      const left = plan({ service: running, ...made });
      assert.deepEqual([stepTexts(left), left.warnings.length], [[], 1]);
      assert.match(left.warnings[0] ?? '', why);
      assert.deepEqual(stepTexts(plan({ service: running, ...made }, { force: true })).slice(0, 1), [
        `replace ${unit}`,
      ]);
    }
  });

  test('an existing configuration is never changed, not even with --force', () => {
    for (const text of ['', 'mine', 'sample\n', addSeal('x')]) {
      const texts = { '/etc/muster/config.yaml': text };
      const written = stepTexts(plan({ texts, folders }, { force: true })).filter(step =>
        step.includes('config.yaml'),
      );
      assert.deepEqual(written, []);
    }
  });

  test('the unit of a package is used unchanged', () => {
    const packaged = '/usr/lib/systemd/system/muster-agent.service';
    const used = plan({ packaged, folders });
    assert.deepEqual(stepTexts(used), [
      'write /etc/muster/config.yaml',
      'run enable muster-agent.service',
      'run start --no-block muster-agent.service',
    ]);
    assert.match(used.notes.join(), /comes from a package and is used/);
    assert.match(plan({ ...installed, packaged }).warnings.join(), /overrides it/);
  });

  test('a warning names the process of a role that was started by hand', () => {
    assert.match(plan({ ...installed, holder: 77 }).warnings.join(), /process 77 already runs this role/);
    assert.deepEqual(plan({ ...installed, holder: running.pid ?? 0 }).warnings, []);
  });

  test('a masked service is left unchanged, and the error says how to unmask it', () => {
    const masked = { ...stopped, managerState: 'masked' };
    const made = { ...installed, texts: {}, links: { [unit]: '/dev/null' }, service: masked };
    assert.throws(() => plan(made), {
      code: 'failed',
      message: 'muster-agent.service is masked, so that nothing can start it',
      hint: 'systemctl unmask muster-agent.service',
    });
    assert.throws(() => plan(made, { scope: 'user' }), {
      hint: 'systemctl --user unmask muster-agent.service',
    });
    assert.ok(stepTexts(plan(made, { force: true })).includes(`replace ${unit}`));
  });

  test('in another root only files and the link of "enable" are made', () => {
    const other = plan({ service: stopped }, { root: '/img' });
    assert.deepEqual(stepTexts(other).slice(-1), ['run --root=/img enable muster-agent.service']);
    assert.ok(!stepTexts(other).some(step => step.includes('daemon-reload') || step.includes('start')));
    assert.deepEqual(
      stepTexts(plan({ ...installed, service: { ...stopped, enabled: true } }, { root: '/img' })),
      [],
    );
  });

  test('the service of a user goes into the folders of the user, with systemctl --user', () => {
    const own = servicePathsOf('systemd', 'user', 'agent', home);
    const owner = { uid: 7, gid: 7, name: 'a:7' };
    const mine = planInstall(
      wish('systemd', own, { scope: 'user', uid: 7, owner }),
      own,
      inspection({ folders: ['/home', '/home/a'] }),
    );
    assert.deepEqual(stepTexts(mine), [
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
      inspection({ folders, service: { ...stopped, enabled: true }, ...made }),
    );
  const texts = { [unit]: content, [rule]: addSeal('rule\n'), '/etc/muster/config.yaml': '' };

  test('a new installation writes the property list and the rule for log rotation, and starts', () => {
    assert.deepEqual(stepTexts(plan({})), [
      'write /etc/muster/config.yaml',
      `write ${unit}`,
      `write ${rule}`,
      `run bootstrap system ${unit}`,
    ]);
  });

  test('nothing is planned when nothing is to be done', () => {
    assert.deepEqual(plan({ texts, service: running }), { steps: [], warnings: [], notes: [] });
  });

  test('a service that was disabled, or ended with success, is started', () => {
    assert.deepEqual(stepTexts(plan({ texts, service: { ...running, enabled: false } })), [
      'run enable system/org.muster.requester',
    ]);
    assert.deepEqual(stepTexts(plan({ texts, service: { ...running, state: 'stopped' } })), [
      'run kickstart system/org.muster.requester',
    ]);
  });

  test('for a newer property list the service is unloaded, awaited, and loaded again', () => {
    const older = { ...texts, [unit]: addSeal('older') };
    assert.deepEqual(stepTexts(plan({ texts: older, service: running })), [
      `replace ${unit}`,
      'run bootout system/org.muster.requester',
      'await stop',
      `run bootstrap system ${unit}`,
    ]);
  });

  test('a newer rule for log rotation does not restart the service', () => {
    const older = { ...texts, [rule]: addSeal('older') };
    assert.deepEqual(stepTexts(plan({ texts: older, service: running })), [`replace ${rule}`]);
  });

  test('with --no-start the service is disabled, because the next boot would start it', () => {
    assert.deepEqual(stepTexts(plan({}, { start: false })).slice(-1), [
      'run disable system/org.muster.requester',
    ]);
    assert.deepEqual(stepTexts(plan({ texts, service: stopped }, { start: false })), []);
  });

  test('in another root only files are written', () => {
    assert.deepEqual(stepTexts(plan({ service: undefined }, { root: '/img' })), [
      'write /etc/muster/config.yaml',
      `write ${unit}`,
      `write ${rule}`,
    ]);
  });

  test('the service of a user is a LaunchAgent without log rotation, which only root can set up', () => {
    const own = servicePathsOf('launchd', 'user', 'agent', macHome);
    const library = '/Users/a/Library';
    const mine = planInstall(
      wish('launchd', own, { scope: 'user', uid: 501 }),
      own,
      inspection({ folders: ['/Users', '/Users/a', library] }),
    );
    assert.deepEqual(stepTexts(mine), [
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
