# A day pass over gRPC with Ruby's grpc: deadline, retries, and errors that are read.
#
# Stubs: grpc_tools_ruby_protoc -I ../../proto --ruby_out=stubs --grpc_out=stubs \
#   ../../proto/ucs/v2/*.proto      (run with ruby -I stubs client.rb)

require "json"
require "securerandom"
require "google/protobuf/well_known_types"
require "google/rpc/error_details_pb"
require "ucs/v2/merchant_authentication_services_pb"

ADDRESS = ENV.fetch("TOKEN_SERVICE_ADDRESS", "localhost:8080")
CREDENTIALS = { "x-connector-auth" => { Stripe: { api_key: ENV.fetch("STRIPE_API_KEY") } }.to_json }.freeze
SERVICE_CONFIG = File.read(File.join(__dir__, "../service_config.json"))

# The reason, what to do next, and each field at fault (google.rpc, AIP-193).
def explain(error)
  words = [GRPC::Core::StatusCodes.constants.find { |name| GRPC::Core::StatusCodes.const_get(name) == error.code }]
  error.to_rpc_status&.details&.each do |detail|
    if detail.is(Google::Rpc::ErrorInfo)
      info = detail.unpack(Google::Rpc::ErrorInfo)
      words.push(info.reason, info.metadata["guidance"])
    elsif detail.is(Google::Rpc::BadRequest)
      detail.unpack(Google::Rpc::BadRequest).field_violations.each { |fault| words << "#{fault.field}: #{fault.description}" }
    end
  end
  words.join(" | ")
end

def mint(service, feature_data)
  request = Ucs::V2::MerchantAuthenticationServiceCreateAccessTokenRequest.new(
    merchant_access_token_id: "order-#{SecureRandom.uuid}",
    connector: :STRIPE,
    connector_feature_data: Google::Protobuf::StringValue.new(value: feature_data.to_json),
    test_mode: true
  )
  answer = service.create_access_token(request, metadata: CREDENTIALS, deadline: Time.now + 10)
  if answer.status == :SUCCESS
    puts "token: #{answer.audience}, #{answer.grant}, #{answer.lifetime_seconds} s, #{answer.access_token.value.length} characters"
  else
    puts "refused: #{answer.status} #{answer.status_code} | #{answer.error.connector_details&.message}"
  end
rescue GRPC::BadStatus => e
  puts "error: #{explain(e)}"
end

service = Ucs::V2::MerchantAuthenticationService::Stub.new(
  ADDRESS, :this_channel_is_insecure,
  channel_args: { "grpc.service_config" => SERVICE_CONFIG, "grpc.enable_retries" => 1 }
)
mint(service, {})
mint(service, { custommer: "cus_1" })
