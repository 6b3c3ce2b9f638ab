// What the cloud says of the machine it lent us: asked only when the operator wants it, and for one second.
import type { Answer, Inputs, MetadataRequest } from './inputs/inputs.ts';
import { tidy } from './values/tidy.ts';

export interface CloudFacts {
  provider: 'aws' | 'gcp' | 'azure';
  /** The kind of machine, such as `p5.48xlarge`. */
  type?: string | undefined;
  region?: string | undefined;
  zone?: string | undefined;
  instanceId?: string | undefined;
  /** Milliseconds that it took to find out. */
  took: number;
  /** RFC 3339. */
  readAt: string;
}

/**
 * The instance facts of AWS (IMDSv2 only), GCP or Azure; undefined when none of the three answers. All are asked at once,
 * as a machine does not always say whose it is, and each answers only its own kind of question. Never throws.
 */
export async function readCloudFacts(inputs: Inputs): Promise<CloudFacts | undefined> {
  const found = await Promise.all([aws(inputs), gcp(inputs), azure(inputs)]);
  return found.find(facts => facts !== undefined);
}

/** The labels that tell of them; none where there are no facts. */
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

// Link-local, so that the question never leaves the host. The name that GCP documents would need DNS.
const service = 'http://169.254.169.254';

async function aws(inputs: Inputs): Promise<CloudFacts | undefined> {
  const token = await inputs.metadata({
    method: 'PUT',
    url: `${service}/latest/api/token`,
    headers: { 'X-aws-ec2-metadata-token-ttl-seconds': '60' },
  });
  // Another service's page in its place must not go into a header.
  if (!/^[\x21-\x7e]{1,1024}$/.test(token.value ?? '')) return undefined;
  const headers = { 'X-aws-ec2-metadata-token': token.value ?? '' };
  const ask = (path: string) =>
    inputs.metadata({ method: 'GET', url: `${service}/latest/meta-data/${path}`, headers });
  return facts(inputs, 'aws', [token], {
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
  // `projects/123/machineTypes/a3-highgpu-8g`, `projects/123/zones/us-central1-a`: the last part is the name.
  const found = await facts(inputs, 'gcp', [], {
    instanceId: ask('id'),
    type: ask('machine-type'),
    zone: ask('zone'),
  });
  if (!found) return undefined;
  const last = (value: string | undefined) => value?.slice(value.lastIndexOf('/') + 1);
  const zone = last(found.zone);
  return { ...found, type: last(found.type), zone, region: zone?.replace(/-[a-z]$/, '') };
}

function azure(inputs: Inputs): Promise<CloudFacts | undefined> {
  const ask = (path: string) =>
    inputs.metadata({
      method: 'GET',
      url: `${service}/metadata/instance/compute/${path}?api-version=2021-02-01&format=text`,
      headers: { Metadata: 'true' },
    });
  return facts(inputs, 'azure', [], {
    instanceId: ask('vmId'),
    type: ask('vmSize'),
    region: ask('location'),
    zone: ask('zone'),
  });
}

type Asked = Partial<Record<'instanceId' | 'type' | 'region' | 'zone', Promise<Answer<string>>>>;

/** Undefined unless the service knows the instance's id: a proxy in its place knows none. */
async function facts(
  inputs: Inputs,
  provider: CloudFacts['provider'],
  before: readonly Answer<string>[],
  asked: Asked,
): Promise<CloudFacts | undefined> {
  const readAt = inputs.now().toISOString();
  const entries = await Promise.all(
    Object.entries(asked).map(async ([name, answer]) => [name, await answer] as const),
  );
  const plain = Object.fromEntries(entries.map(([name, { value }]) => [name, oneWord(value)]));
  if (plain.instanceId === undefined) return undefined;
  // Asked at once, the slowest counts.
  const took =
    before.reduce((sum, answer) => sum + answer.took, 0) + Math.max(...entries.map(([, { took }]) => took));
  return { provider, ...plain, took, readAt };
}

/** Names of instances, zones and the like are short and have no blanks: anything else is a page of somebody else's. */
function oneWord(value: string | undefined): string | undefined {
  const plain = tidy(value, 256);
  return plain !== undefined && /^[\w./:-]+$/.test(plain) ? plain : undefined;
}

/** What a recording keeps of a question: never the token. */
export const metadataKey = ({ method, url }: MetadataRequest): string => `${method} ${url}`;
