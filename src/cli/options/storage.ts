import type { Command } from 'commander';
import type { Context } from '../../core/context.js';
import type { S3Options } from '../../storage/s3/client.js';
import type { Storage } from '../../storage/storage.js';

export interface StorageFlags {
  readonly s3Endpoint?: string;
  readonly s3Region?: string;
  readonly s3PathStyle?: boolean;
}

/** The options of every command that reads or writes snapshots in a bucket. */
export function addStorageOptions(command: Command): Command {
  return command
    .option('--s3-endpoint <url>', 'an S3 service of your own; AWS_ENDPOINT_URL')
    .option('--s3-region <name>', 'region of the bucket; AWS_REGION')
    .option('--s3-path-style', "bucket in the URL's path; default with an endpoint of your own")
    .option('--no-s3-path-style', "bucket in the URL's host name");
}

/** @throws FerryError as `openStorage` */
export async function openStorageFrom(
  location: string,
  flags: StorageFlags,
  { env }: Context,
): Promise<Storage> {
  const { openStorage } = await import('../../storage/open.js');
  return openStorage(location, env, s3OptionsFrom(flags));
}

export function s3OptionsFrom({ s3Endpoint, s3Region, s3PathStyle }: StorageFlags): S3Options {
  // The S3 client tells every user which Node its own later releases will need.
  process.env['AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED'] = 'true';
  return {
    ...(s3Endpoint !== undefined && { endpoint: s3Endpoint }),
    ...(s3Region !== undefined && { region: s3Region }),
    ...(s3PathStyle !== undefined && { pathStyle: s3PathStyle }),
  };
}
