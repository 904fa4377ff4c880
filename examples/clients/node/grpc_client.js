// A day pass over gRPC with grpc-js: deadline, retries, and errors that are read. The .proto files are loaded at run time.

import { randomUUID } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import grpc from '@grpc/grpc-js'
import loader from '@grpc/proto-loader'

const file = path => fileURLToPath(new URL(path, import.meta.url))
const load = (proto, folder) =>
  loader.loadSync(proto, { includeDirs: [file(folder)], keepCase: true, longs: Number, enums: String, defaults: true })
const { ucs } = grpc.loadPackageDefinition(load('ucs/v2/merchant_authentication.proto', '../../proto'))
const details = load('google/rpc/status_and_details.proto', '../../proto')

const client = new ucs.v2.MerchantAuthenticationService(
  process.env.TOKEN_SERVICE_ADDRESS ?? 'localhost:8080',
  grpc.credentials.createInsecure(),
  { 'grpc.service_config': readFileSync(file('../service_config.json'), 'utf8'), 'grpc.enable_retries': 1 },
)
const credentials = JSON.stringify({ Stripe: { api_key: process.env.STRIPE_API_KEY } })

// The reason, what to do next, and each field at fault (google.rpc, AIP-193).
function explain(error) {
  const read = (type, bytes) => details[`google.rpc.${type}`].deserialize(bytes)
  const words = [grpc.status[error.code]]
  const [status] = error.metadata?.get('grpc-status-details-bin') ?? []
  for (const { type_url, value } of status ? read('Status', status).details : []) {
    if (type_url.endsWith('/google.rpc.ErrorInfo')) {
      const info = read('ErrorInfo', value)
      words.push(info.reason, info.metadata.guidance)
    } else if (type_url.endsWith('/google.rpc.BadRequest')) {
      words.push(...read('BadRequest', value).field_violations.map(fault => `${fault.field}: ${fault.description}`))
    }
  }
  return words.join(' | ')
}

function mint(featureData) {
  const request = {
    merchant_access_token_id: `order-${randomUUID()}`,
    connector: 'STRIPE',
    connector_feature_data: { value: JSON.stringify(featureData) },
    test_mode: true,
  }
  const metadata = new grpc.Metadata()
  metadata.set('x-connector-auth', credentials)
  return new Promise(done =>
    client.CreateAccessToken(request, metadata, { deadline: Date.now() + 10_000 }, (error, answer) => {
      if (error) console.log('error:', explain(error))
      else if (answer.status === 'SUCCESS')
        console.log(`token: ${answer.audience}, ${answer.grant}, ${answer.lifetime_seconds} s, ` +
          `${answer.access_token.value.length} characters`)
      else
        console.log('refused:', answer.status, answer.status_code, '|', answer.error.connector_details?.message, '|',
          answer.error.unified_details?.user_guidance_message)
      done()
    }),
  )
}

await mint({})
await mint({ custommer: 'cus_1' })
client.close()
