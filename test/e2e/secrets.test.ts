// No secret gets out. Canaries are in every place that has a secret. Both roles log at trace level, against brokers that
// accept or refuse them, with damaged files and with crashes. All output is searched for the canaries.
import assert from 'node:assert/strict';
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import { nkeys } from 'nats';
import { Canaries } from '../support/canaries.ts';
import { makeAuthority, makeCertificate } from '../support/certificates.ts';
import { Cluster } from '../support/cluster.ts';
import { type NatsServer, startNatsServer } from '../support/nats-server.ts';
import { muster, Program, type RunOptions } from '../support/program.ts';
import { settingsText, type Values } from '../support/settings-text.ts';
import { newFolder } from '../support/temporary.ts';

const quoted = (text: string) => JSON.stringify(text);

describe('no secret gets out', () => {
  const canaries = new Canaries();
  const servers: NatsServer[] = [];
  after(() => Promise.all(servers.map(server => server.release())));

  async function server(config: string, scheme: 'nats' | 'tls' = 'nats'): Promise<NatsServer> {
    const started = await startNatsServer({ config, scheme });
    servers.push(started);
    return started;
  }

  async function run(args: string[], options: RunOptions = {}): Promise<void> {
    const { stdout, stderr, code } = await muster(args, options);
    const where = `muster ${args.filter(word => !word.startsWith('/')).join(' ')}, exit ${code}`;
    canaries.addOutput(`stdout of ${where}`, stdout);
    canaries.addOutput(`stderr of ${where}`, stderr);
  }

  /** Runs every command that shows something about the settings in `config`, or about a role that runs with them. */
  async function askAll(role: string, config: string, options: RunOptions = {}): Promise<void> {
    const chosen = ['--config', config];
    const bundle = join(await newFolder(), 'bundle.tar.gz');
    await Promise.all([
      run(['config', 'show', '--origin', ...chosen], options),
      run(['config', 'check', '--role', role, ...chosen], options),
      run(['status', '-o', 'json', ...chosen], options),
      run(['doctor', '--role', role, ...chosen, '--bundle', bundle], options),
    ]);
    canaries.addOutput(`${role}'s bundle.tar.gz`, await readFile(bundle));
  }

  /** Adds what every user of the machine can see of our processes. */
  async function addCommandLines(): Promise<void> {
    for (const pid of await readdir('/proc').catch(() => [])) {
      if (!/^\d+$/.test(pid)) continue;
      canaries.addOutput(
        `the command line of ${pid}`,
        await readFile(`/proc/${pid}/cmdline`).catch(() => ''),
      );
    }
  }

  /** Runs an agent with `settings` until it is registered or has logged why not, and runs every command about it. */
  async function agent(name: string, settings: Values, options: RunOptions = {}): Promise<void> {
    const folder = await newFolder();
    const config = join(folder, 'config.yaml');
    const all = {
      'log.level': 'trace',
      'log.format': 'json',
      dataDir: folder,
      'compute.heartbeatFrequency': '50ms',
    };
    await writeFile(config, settingsText({ ...all, 'node.id': name, ...settings }), { mode: 0o600 });
    const program = new Program(['agent', '--config', config], options);
    try {
      await program.untilPrinted(/the agent starts/);
      await program.untilPrinted(/connected to the broker|cannot connect/);
      canaries.plant(
        `seed of ${name}`,
        (await readFile(join(folder, 'agent', 'identity.nk'), 'utf8')).trim(),
      );
      program.signal('SIGHUP');
      await program.untilPrinted(/configuration read again|the new configuration/);
      await askAll('agent', config, options);
      await addCommandLines();
    } finally {
      program.signal('SIGTERM');
      const { stdout, stderr } = await program.finished;
      canaries.addOutput(`stdout of agent ${name}`, stdout);
      canaries.addOutput(`stderr of agent ${name}`, stderr);
    }
  }

  let before = 0;

  /** Asserts that no canary is found, and that at least so many bytes were searched since the last call. */
  function expectNone(leastBytes: number): void {
    const searched = canaries.outputBytes - before;
    before = canaries.outputBytes;
    assert.deepEqual(canaries.leaks(), []);
    assert.ok(searched >= leastBytes, `only ${searched} bytes were searched`);
  }

  it('of a cluster with its own broker: its token, the sessions and the keys', async () => {
    const cluster = await Cluster.create({ settings: { 'log.level': 'trace' } });
    try {
      // A token must be printable and without blanks.
      const token = canaries.plant('own token', `Cnry~own/+=&${'0123456789abcdef'.repeat(2)}`);
      await mkdir(join(cluster.folderOf('node-0'), 'broker'), { recursive: true });
      await writeFile(join(cluster.folderOf('node-0'), 'broker', 'token'), `${token}\n`, { mode: 0o600 });
      const requester = await cluster.requester();
      const node = await cluster.agent('node-1');
      await cluster.until('node-1', 'PENDING HEALTHY');
      for (const file of ['node-1/agent/identity.nk'])
        canaries.plant(file, (await readFile(join(cluster.folder, file), 'utf8')).trim());
      canaries.plant('session', String((await cluster.sentinel('node-1'))?.session));
      for (const args of [
        ['node', 'approve', 'node-1'],
        ['node', 'list', '-o', 'wide'],
        ['node', 'describe', 'node-1'],
        ['events'],
      ]) {
        const { stdout, stderr } = await cluster.command(...args);
        canaries.addOutput(args.join(' '), stdout + stderr);
      }
      await askAll('agent', join(cluster.folder, 'node-1-agent.yaml'));
      await askAll('requester', join(cluster.folder, 'node-0-requester.yaml'));
      await addCommandLines();
      for (const program of [node, requester]) {
        const { stdout, stderr } = await program.stop();
        canaries.addOutput(`output of ${program.args[0]}`, stdout + stderr);
      }
      // The commands run once more when no role runs.
      await askAll('agent', join(cluster.folder, 'node-1-agent.yaml'));
      await askAll('requester', join(cluster.folder, 'node-0-requester.yaml'));
      expectNone(50_000);
    } finally {
      await cluster.release();
    }
  });

  it('of any way to log in, at a broker that accepts it and at one that refuses it', async () => {
    const folder = await newFolder();
    const secretFile = async (name: string, text: string) => {
      await writeFile(join(folder, name), text, { mode: 0o600 });
      return join(folder, name);
    };
    const token = canaries.make('token');
    const password = canaries.make('password');
    const user = nkeys.createUser();
    const seed = canaries.plant('creds seed', new TextDecoder().decode(user.getSeed()));
    const jwt = canaries.plant(
      'creds jwt',
      `eyJ0eXAiOiJKV1QifQ.${Buffer.from('{"a":"canary of the jwt"}').toString('base64url')}.c2lnbmF0dXJl`,
    );
    const creds = `-----BEGIN NATS USER JWT-----\n${jwt}\n------END NATS USER JWT------\n\n-----BEGIN USER NKEY SEED-----\n${seed}\n------END USER NKEY SEED------\n`;
    const ways: [name: string, settings: Values, takes: string, options?: RunOptions][] = [
      ['token', { 'nats.token': token }, `authorization { token: ${quoted(token)} }`],
      ['token-env', {}, `authorization { token: ${quoted(token)} }`, { env: { MUSTER_NATS_TOKEN: token } }],
      [
        'token-file',
        { 'nats.tokenFile': await secretFile('token', `${token}\n`) },
        `authorization { token: ${quoted(token)} }`,
      ],
      [
        'password',
        { 'nats.user': 'u', 'nats.password': password },
        `authorization { user: u, password: ${quoted(password)} }`,
      ],
      [
        'password-file',
        { 'nats.user': 'u', 'nats.passwordFile': await secretFile('password', password) },
        `authorization { user: u, password: ${quoted(password)} }`,
      ],
      [
        'creds',
        { 'nats.credsFile': await secretFile('creds', creds) },
        `authorization { users: [{ nkey: ${user.getPublicKey()} }] }`,
      ],
    ];
    await mkdir(join(folder, 'credentials'));
    await secretFile('credentials/nats.token', token);
    ways.push([
      'credential',
      {},
      `authorization { token: ${quoted(token)} }`,
      { env: { CREDENTIALS_DIRECTORY: join(folder, 'credentials') } },
    ]);
    const refusing = await server('authorization { token: "quite-another-token-of-the-test" }');
    for (const [name, settings, takes, options] of ways) {
      const taking = await server(takes);
      await Promise.all([
        agent(`${name}-taken`, { ...settings, 'nats.servers': taking.url }, options),
        agent(`${name}-refused`, { ...settings, 'nats.servers': refusing.url }, options),
      ]);
    }
    expectNone(100_000);
  });

  it('of a key for TLS, at a broker that accepts it and at one that refuses it', async () => {
    const folder = await newFolder();
    const authority = await makeAuthority(folder, 'authority');
    const its = await makeCertificate(folder, authority, 'broker', 'IP:127.0.0.1');
    const ours = await makeCertificate(folder, authority, 'ours', 'DNS:ours');
    const stranger = await makeCertificate(
      folder,
      await makeAuthority(folder, 'other'),
      'stranger',
      'DNS:stranger',
    );
    for (const { keyFile } of [ours, stranger]) canaries.plant(keyFile, await readFile(keyFile, 'utf8'));
    const { url } = await server(
      `tls { cert_file: "${its.certFile}", key_file: "${its.keyFile}", ca_file: "${authority.certFile}", verify: true }`,
      'tls',
    );
    const tls = (from: typeof ours) => ({
      'nats.servers': url,
      'nats.tls.caFile': authority.certFile,
      'nats.tls.certFile': from.certFile,
      'nats.tls.keyFile': from.keyFile,
    });
    await agent('tls-taken', tls(ours));
    await agent('tls-refused', tls(stranger));
    await agent('tls-unlike', { ...tls(ours), 'nats.tls.certFile': stranger.certFile });
    expectNone(30_000);
  });

  it('of files that are incomplete, or are something else', async () => {
    const folder = await newFolder();
    const torn = async (name: string, text: string) => {
      await writeFile(join(folder, name), text, { mode: 0o600 });
      return join(folder, name);
    };
    const { url } = await server('authorization { token: "quite-another-token-of-the-test" }');
    const bird = (name: string) => canaries.make(name);
    const broken: [string, Values][] = [
      [
        'torn-token',
        { 'nats.tokenFile': await torn('token', `${bird('first line')}\n${bird('second line')}\n`) },
      ],
      [
        'torn-creds',
        { 'nats.credsFile': await torn('creds', `-----BEGIN USER NKEY SEED-----\n${bird('torn seed')}\n`) },
      ],
      [
        'torn-key',
        {
          'nats.tls.certFile': await torn(
            'cert',
            `-----BEGIN CERTIFICATE-----\n${bird('cert')}\n-----END CERTIFICATE-----\n`,
          ),
          'nats.tls.keyFile': await torn(
            'key',
            `-----BEGIN PRIVATE KEY-----\n${bird('torn key')}\n-----END PRIVATE KEY-----\n`,
          ),
        },
      ],
      [
        'no-key',
        {
          'nats.tls.certFile': await torn('c', bird('no cert')),
          'nats.tls.keyFile': await torn('k', bird('no key')),
        },
      ],
    ];
    for (const [name, settings] of broken) await agent(name, { 'nats.servers': url, ...settings });
    // The agent's own state files.
    const data = await newFolder();
    await mkdir(join(data, 'agent'));
    await writeFile(join(data, 'agent', 'identity.nk'), `SN${bird('torn identity')}\n`, { mode: 0o600 });
    await writeFile(join(data, 'agent', 'node.yaml'), 'id: torn\n');
    await writeFile(
      join(data, 'agent', 'torn.registration.json'),
      `{"version":1,"session":${quoted(bird('torn session'))},`,
    );
    for (const args of [['agent'], ['doctor', '--role', 'agent'], ['doctor', '-o', 'json'], ['status']])
      await run([...args, '--data-dir', data, '--nats-servers', url, '--log-level', 'trace']);
    const bundle = join(folder, 'torn.tar.zst');
    await run(['doctor', '--data-dir', data, '--nats-servers', url, '--bundle', bundle]);
    canaries.addOutput('torn.tar.zst', await readFile(bundle));
    expectNone(30_000);
  });

  it('of a configuration with faults, wherever the secret is in it', async () => {
    const folder = await newFolder();
    for (const [index, text] of [
      `nats: {servers: ['nats://user:${canaries.plant('user info', 'Cnry~userinfo-0123456789abcdef')}@host:4222']}`,
      `nats: {token: ${quoted(`${canaries.make('control')}\u0007`)}}`,
      `nats: {token: [${quoted(canaries.make('list'))}]}`,
      `nats:\n  token: ${quoted(canaries.make('tabbed'))}\n\tuser: x`,
      `nats: {token: ${quoted(canaries.make('beside'))}, tokenFile: /nonexistent}`,
      `nats: {password: ${quoted(canaries.make('lonely'))}}`,
      `nats: {tokn: ${quoted(canaries.make('mistyped'))}}`,
    ].entries()) {
      const config = join(folder, `${index}.yaml`);
      await writeFile(config, text, { mode: 0o600 });
      const bundle = join(folder, `${index}.tar.gz`);
      const roles = ['agent', 'requester'].map(role => [role, '--log-level', 'trace', '--data-dir', folder]);
      const commands = [
        ['config', 'check'],
        ['config', 'show'],
        ['node', 'list'],
        ['doctor', '--bundle', bundle],
      ];
      await Promise.all([...roles, ...commands].map(args => run([...args, '--config', config])));
      canaries.addOutput(`${index}.tar.gz`, await readFile(bundle));
    }
    await run(['agent', `--nats-token=${canaries.make('flag')}`]);
    await run(['node', 'list'], { env: { MUSTER_NATS_TOKN: canaries.make('mistyped variable') } });
    expectNone(30_000);
  });

  it('of an uncaught error whose message contains it', async () => {
    const token = canaries.make('crash token');
    const crashes = [
      'throw new Error("broken: " + secret)',
      'Promise.reject(new Error(secret))',
      'Promise.reject({ secret })',
    ];
    for (const [index, crash] of crashes.entries()) {
      const hook = `process.on('SIGUSR2', () => { const secret = process.env.MUSTER_NATS_TOKEN; ${crash} })`;
      const env = {
        MUSTER_NATS_TOKEN: token,
        NODE_OPTIONS: `--import=data:text/javascript,${encodeURIComponent(hook)}`,
        ...(index === 1 ? { SYSTEMD_EXEC_PID: 'x', NOTIFY_SOCKET: '/nonexistent' } : {}),
      };
      const args = [
        'agent',
        '--data-dir',
        await newFolder(),
        '--nats-servers',
        'nats://127.0.0.1:1',
        '--log-level',
        'trace',
      ];
      const program = new Program(args, { env });
      await program.untilPrinted(/the agent starts/);
      program.signal('SIGUSR2');
      const { code, stdout, stderr } = await program.finished;
      assert.equal(code, 1, stderr);
      assert.match(stderr, /this should not have happened/);
      canaries.addOutput(`a crash: ${crash}`, stdout + stderr);
    }
    expectNone(1_000);
  });
});
