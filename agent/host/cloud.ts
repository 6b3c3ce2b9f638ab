// Asks the cloud's metadata service for the type of this instance. This is done only with the setting `node.cloudMetadata`.
import type { Answer, Inputs } from './inputs/inputs.ts';
import { tidy } from './values/tidy.ts';

export interface CloudFacts {
  provider: 'aws' | 'gcp' | 'azure';
  /** The type of the instance, such as `p5.48xlarge`. */
  type?: string | undefined;
  region?: string | undefined;
  zone?: string | undefined;
  instanceId?: string | undefined;
  /** Time that all questions took together, in milliseconds. */
  took: number;
  /** Time when the facts were read, RFC 3339. */
  readAt: string;
}

/**
 * Reads the facts of an instance of AWS (IMDSv2 only), GCP or Azure. Returns undefined when no cloud answers. All three
 * are asked at once, because a machine may not know its cloud, and each cloud answers only its own kind of question. Each
 * question may take one second. Never throws.
 */
export async function readCloudFacts(inputs: Inputs): Promise<CloudFacts | undefined> {
  const answers = await Promise.all([aws(inputs), gcp(inputs), azure(inputs)]);
  return answers.find(facts => facts !== undefined);
}

/** Returns the labels for the facts that are known. */
export function cloudLabels(cloud: CloudFacts | undefined): Record<string, string> {
  const { provider, type, region, zone, instanceId } = cloud ?? {};
  const labels = {
    cloud: provider,
    'cloud-type': type,
    'cloud-region': region,
    'cloud-zone': zone,
    'cloud-instance': instanceId,
  };
  return Object.fromEntries(Object.entries(labels).flatMap(([key, value]) => (value ? [[key, value]] : [])));
}

// The address is link-local, so no question leaves the host. The host name that GCP documents would need DNS.
const service = 'http://169.254.169.254';

async function aws(inputs: Inputs): Promise<CloudFacts | undefined> {
  const token = await inputs.metadata({
    method: 'PUT',
    url: `${service}/latest/api/token`,
    headers: { 'X-aws-ec2-metadata-token-ttl-seconds': '60' },
  });
  // Another program may answer at this address, and its answer must not become a header.
  if (!/^[\x21-\x7e]{1,1024}$/.test(token.value ?? '')) return undefined;
  const headers = { 'X-aws-ec2-metadata-token': token.value ?? '' };
  const ask = (path: string) =>
    inputs.metadata({ method: 'GET', url: `${service}/latest/meta-data/${path}`, headers });
  return readFacts(inputs, 'aws', [token], {
    instanceId: ask('instance-id'),
    type: ask('instance-type'),
    region: ask('placement/region'),
    zone: ask('placement/availability-zone'),
  });
}

async function gcp(inputs: Inputs): Promise<CloudFacts | undefined> {
  const ask = (path: string) =>
    inputs.metadata({
      method: 'GET',
      url: `${service}/computeMetadata/v1/instance/${path}`,
      headers: { 'Metadata-Flavor': 'Google' },
    });
  // GCP answers `projects/123/machineTypes/a3-highgpu-8g` and `projects/123/zones/us-central1-a`: the last part is the name.
  const answers = await readFacts(inputs, 'gcp', [], {
    instanceId: ask('id'),
    type: ask('machine-type'),
    zone: ask('zone'),
  });
  if (!answers) return undefined;
  const last = (value: string | undefined) => value?.slice(value.lastIndexOf('/') + 1);
  const zone = last(answers.zone);
  return { ...answers, type: last(answers.type), zone, region: zone?.replace(/-[a-z]$/, '') };
}

function azure(inputs: Inputs): Promise<CloudFacts | undefined> {
  const ask = (path: string) =>
    inputs.metadata({
      method: 'GET',
      url: `${service}/metadata/instance/compute/${path}?api-version=2021-02-01&format=text`,
      headers: { Metadata: 'true' },
    });
  return readFacts(inputs, 'azure', [], {
    instanceId: ask('vmId'),
    type: ask('vmSize'),
    region: ask('location'),
    zone: ask('zone'),
  });
}

type Pending = Partial<Record<'instanceId' | 'type' | 'region' | 'zone', Promise<Answer<string>>>>;

/**
 * Waits for the answers. Returns undefined when the id of the instance is missing, because then something else answers at
 * the address, such as a proxy. `before` are the answers that were needed first.
 */
async function readFacts(
  inputs: Inputs,
  provider: CloudFacts['provider'],
  before: readonly Answer<string>[],
  pending: Pending,
): Promise<CloudFacts | undefined> {
  const readAt = inputs.now().toISOString();
  const entries = await Promise.all(
    Object.entries(pending).map(async ([name, answer]) => [name, await answer] as const),
  );
  const plain = Object.fromEntries(entries.map(([name, { value }]) => [name, oneWord(value)]));
  if (plain.instanceId === undefined) return undefined;
  // The questions were asked at the same time, so their time is that of the slowest one.
  const took =
    before.reduce((sum, answer) => sum + answer.took, 0) + Math.max(...entries.map(([, { took }]) => took));
  return { provider, ...plain, took, readAt };
}

/**
 * Returns a name of an instance, a zone and so on. Such a name is short and has no blanks: other text does not come from
 * the service.
 */
function oneWord(value: string | undefined): string | undefined {
  const plain = tidy(value, 256);
  return plain !== undefined && /^[\w./:-]+$/.test(plain) ? plain : undefined;
}
