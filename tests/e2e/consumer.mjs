// A consumer on the AWS SDK for JavaScript v3: reads a ticket's manifest and images.
import { createHash } from 'node:crypto'
import { GetObjectCommand, ListObjectsV2Command, S3Client } from '@aws-sdk/client-s3'
import { SignatureV4 } from '@smithy/signature-v4'

const [bucket, ticket] = process.argv.slice(2)
const { API_URL, AWS_REGION: region, S3_URL } = process.env
const s3 = new S3Client({ region, endpoint: S3_URL, forcePathStyle: true })
const { credentials, sha256 } = s3.config
const signer = new SignatureV4({ service: 'execute-api', region, credentials, sha256 })

const described = (body) => ({ sha256: createHash('sha256').update(body).digest('hex'), bytes: body.length })
const download = async (url) => Buffer.from(await (await fetch(url, { redirect: 'error' })).arrayBuffer())
const object = async (key) => {
  const { Body } = await s3.send(new GetObjectCommand({ Bucket: bucket, Key: key }))
  return Buffer.from(await Body.transformToByteArray())
}

// As a consumer of S3 events: the manifest, then its images.
const listed = await s3.send(new ListObjectsV2Command({ Bucket: bucket, Prefix: `tickets/${ticket}/manifests/` }))
const manifest = JSON.parse(await object(listed.Contents[0].Key))
const fromTheBucket = await Promise.all(manifest.images.map(async ({ key }) => described(await object(key))))

// As a caller of the API: a signed request, then presigned URLs.
const { hostname, port, pathname, protocol } = new URL(`${API_URL}/tickets/${ticket}/images`)
const host = port ? `${hostname}:${port}` : hostname
const { headers } = await signer.sign({ method: 'GET', protocol, hostname, path: pathname, query: {}, headers: { host } })
delete headers.host // fetch sets it
const { images } = await (await fetch(`${API_URL}/tickets/${ticket}/images`, { headers })).json()
const fromTheApi = await Promise.all(images.map(async ({ url }) => described(await download(url))))

console.log(JSON.stringify({ manifest, fromTheBucket, fromTheApi }))
