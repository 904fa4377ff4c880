// A day pass with the Connect library for Node. Its messages: npx buf generate. Connect has no retry policy of its own: the
// interceptor below is one.

import { randomUUID } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { Code, ConnectError, createClient } from '@connectrpc/connect'
import { createConnectTransport } from '@connectrpc/connect-node'
import { Connector } from './gen/ucs/v2/connector_pb.js'
import { MerchantAuthenticationService, OperationStatus, TokenAudience } from './gen/ucs/v2/merchant_authentication_pb.js'

const ATTEMPTS = 4

const retry = next => async request => {
  for (let attempt = 1; ; attempt++) {
    try {
      return await next(request)
    } catch (error) {
      if (ConnectError.from(error).code !== Code.Unavailable || attempt === ATTEMPTS) throw error
      await sleep(100 * 2 ** attempt)
    }
  }
}
const client = createClient(
  MerchantAuthenticationService,
  createConnectTransport({
    baseUrl: `http://${process.env.TOKEN_SERVICE_ADDRESS ?? 'localhost:8080'}`,
    httpVersion: '1.1',
    useBinaryFormat: false,
    interceptors: [retry],
  }),
)
const headers = { 'x-connector-auth': JSON.stringify({ Stripe: { api_key: process.env.STRIPE_API_KEY } }) }

// Over JSON each detail is readable as it is: `debug` has the message.
function explain(error) {
  const words = [Code[error.code]]
  for (const { type, debug } of error.details) {
    if (type === 'google.rpc.ErrorInfo') words.push(debug.reason, debug.metadata.guidance)
    if (type === 'google.rpc.BadRequest') words.push(...debug.fieldViolations.map(fault => `${fault.field}: ${fault.description}`))
  }
  return words.join(' | ')
}

async function mint(featureData) {
  const request = {
    merchantAccessTokenId: `order-${randomUUID()}`,
    connector: Connector.STRIPE,
    connectorFeatureData: JSON.stringify(featureData),
    testMode: true,
  }
  try {
    const answer = await client.createAccessToken(request, { headers, timeoutMs: 10_000 })
    if (answer.status === OperationStatus.SUCCESS)
      console.log(`token: ${TokenAudience[answer.audience]}, ${answer.grant}, ${answer.lifetimeSeconds} s, ` +
        `${answer.accessToken.length} characters`)
    else
      console.log('refused:', OperationStatus[answer.status], answer.statusCode, '|', answer.error?.connectorDetails?.message)
  } catch (error) {
    console.log('error:', explain(ConnectError.from(error)))
  }
}

await mint({})
await mint({ custommer: 'cus_1' })
