// A day pass over gRPC with Go: deadline, retries, and errors that are read. Stubs: see the README beside this folder.
package main

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"log"
	"os"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"daypass/ucs/v2"
)

// codec is for the grpc-go of Debian 12 (1.33), which cannot read the messages of newer generators. Newer ones need none.
type codec struct{}

func (codec) Name() string { return "proto" }
func (codec) Marshal(message interface{}) ([]byte, error) {
	return proto.Marshal(message.(proto.Message))
}
func (codec) Unmarshal(data []byte, message interface{}) error {
	return proto.Unmarshal(data, message.(proto.Message))
}

const createAccessToken = "/ucs.v2.MerchantAuthenticationService/CreateAccessToken"

func environment(name, otherwise string) string {
	if value := os.Getenv(name); value != "" {
		return value
	}
	return otherwise
}

// explain gives the code, the reason, what to do next, and each field at fault (google.rpc, AIP-193).
func explain(err error) string {
	failed := status.Convert(err)
	words := failed.Code().String()
	for _, detail := range failed.Details() {
		switch detail := detail.(type) {
		case *errdetails.ErrorInfo:
			words += " | " + detail.Reason + " | " + detail.Metadata["guidance"]
		case *errdetails.BadRequest:
			for _, fault := range detail.FieldViolations {
				words += " | " + fault.Field + ": " + fault.Description
			}
		}
	}
	return words
}

func mint(connection *grpc.ClientConn, featureData map[string]string) {
	reference := make([]byte, 16)
	if _, err := rand.Read(reference); err != nil {
		log.Fatal(err)
	}
	data, _ := json.Marshal(featureData)
	testMode := true
	request := &ucsv2.MerchantAuthenticationServiceCreateAccessTokenRequest{
		MerchantAccessTokenId: fmt.Sprintf("order-%x", reference),
		Connector:             ucsv2.Connector_STRIPE,
		ConnectorFeatureData:  wrapperspb.String(string(data)),
		TestMode:              &testMode,
	}
	credentials, _ := json.Marshal(map[string]map[string]string{"Stripe": {"api_key": os.Getenv("STRIPE_API_KEY")}})
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	ctx = metadata.AppendToOutgoingContext(ctx, "x-connector-auth", string(credentials))

	answer := &ucsv2.MerchantAuthenticationServiceCreateAccessTokenResponse{}
	if err := connection.Invoke(ctx, createAccessToken, request, answer); err != nil {
		fmt.Println("error:", explain(err))
	} else if answer.Status == ucsv2.OperationStatus_SUCCESS {
		fmt.Printf("token: %s, %s, %d s, %d characters\n", answer.Audience, answer.Grant,
			answer.GetLifetimeSeconds(), len(answer.AccessToken.GetValue()))
	} else {
		fmt.Println("refused:", answer.Status, answer.StatusCode, "|", answer.GetError().GetConnectorDetails().GetMessage())
	}
}

func main() {
	config, err := os.ReadFile(environment("SERVICE_CONFIG", "../service_config.json"))
	if err != nil {
		log.Fatal(err)
	}
	// The grpc-go of Debian 12 (1.33) retries only with GRPC_GO_RETRY=on in its environment.
	connection, err := grpc.Dial(environment("TOKEN_SERVICE_ADDRESS", "localhost:8080"),
		grpc.WithInsecure(), grpc.WithDefaultServiceConfig(string(config)), grpc.WithDefaultCallOptions(grpc.ForceCodec(codec{})))
	if err != nil {
		log.Fatal(err)
	}
	defer connection.Close()
	mint(connection, map[string]string{})
	mint(connection, map[string]string{"custommer": "cus_1"})
}
