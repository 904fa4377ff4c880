// A day pass over gRPC with C++: deadline, retries, and errors that are read. Build: make

#include <chrono>
#include <cstdlib>
#include <fstream>
#include <iostream>
#include <random>
#include <sstream>
#include <string>

#include <grpcpp/grpcpp.h>

#include "google/rpc/status_and_details.pb.h"
#include "ucs/v2/merchant_authentication.grpc.pb.h"

using Request = ucs::v2::MerchantAuthenticationServiceCreateAccessTokenRequest;
using Response = ucs::v2::MerchantAuthenticationServiceCreateAccessTokenResponse;
using Service = ucs::v2::MerchantAuthenticationService;

std::string environment(const char* name, const char* otherwise) {
  const char* value = std::getenv(name);
  return value ? value : otherwise;
}

std::string read(const std::string& path) {
  std::ostringstream text;
  text << std::ifstream(path).rdbuf();
  return text.str();
}

// The reason, what to do next, and each field at fault (google.rpc, AIP-193).
std::string explain(const grpc::Status& failed) {
  std::ostringstream words;
  words << "code " << failed.error_code();
  google::rpc::Status status;
  status.ParseFromString(failed.error_details());
  for (const auto& detail : status.details()) {
    google::rpc::ErrorInfo info;
    google::rpc::BadRequest fields;
    if (detail.UnpackTo(&info)) {
      words << " | " << info.reason() << " | " << info.metadata().at("guidance");
    } else if (detail.UnpackTo(&fields)) {
      for (const auto& fault : fields.field_violations()) words << " | " << fault.field() << ": " << fault.description();
    }
  }
  return words.str();
}

void mint(Service::Stub& service, const std::string& feature_data) {
  Request request;
  std::random_device random;
  request.set_merchant_access_token_id("order-" + std::to_string(random()) + std::to_string(random()));
  request.set_connector(ucs::v2::STRIPE);
  request.mutable_connector_feature_data()->set_value(feature_data);
  request.set_test_mode(true);

  grpc::ClientContext context;
  context.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(10));
  context.AddMetadata("x-connector-auth", "{\"Stripe\":{\"api_key\":\"" + environment("STRIPE_API_KEY", "") + "\"}}");
  Response answer;
  if (grpc::Status status = service.CreateAccessToken(&context, request, &answer); !status.ok()) {
    std::cout << "error: " << explain(status) << std::endl;
  } else if (answer.status() == ucs::v2::SUCCESS) {
    std::cout << "token: " << ucs::v2::TokenAudience_Name(answer.audience()) << ", " << answer.grant() << ", "
              << answer.lifetime_seconds() << " s, " << answer.access_token().value().size() << " characters" << std::endl;
  } else {
    std::cout << "refused: " << ucs::v2::OperationStatus_Name(answer.status()) << " " << answer.status_code() << " | "
              << answer.error().connector_details().message() << std::endl;
  }
}

int main() {
  grpc::ChannelArguments arguments;
  arguments.SetServiceConfigJSON(read(environment("SERVICE_CONFIG", "../service_config.json")));
  auto channel = grpc::CreateCustomChannel(environment("TOKEN_SERVICE_ADDRESS", "localhost:8080"),
                                           grpc::InsecureChannelCredentials(), arguments);
  auto service = Service::NewStub(channel);
  mint(*service, "{}");
  mint(*service, "{\"custommer\": \"cus_1\"}");
}
