//! The methods of the service in its two packages: each is one line into `rpc`. Used by `server`
//! through the traits of the protocol.

use connectrpc::{RequestContext, ServiceRequest, ServiceResult};
use protocol::{
    CreateAccessTokenRequest, CreateAccessTokenResponse, types,
    ucs::v2::{
        self, MerchantAuthenticationServiceCreateClientAuthenticationTokenRequest as ClientRequest,
        MerchantAuthenticationServiceCreateClientAuthenticationTokenResponse as ClientResponse,
        MerchantAuthenticationServiceCreateSdkSessionTokenRequest as EarlierClientRequest,
        MerchantAuthenticationServiceCreateSdkSessionTokenResponse as EarlierClientResponse,
        MerchantAuthenticationServiceCreateServerSessionAuthenticationTokenRequest as ServerRequest,
        MerchantAuthenticationServiceCreateServerSessionAuthenticationTokenResponse as ServerResponse,
        MerchantAuthenticationServiceCreateSessionTokenRequest as EarlierServerRequest,
        MerchantAuthenticationServiceCreateSessionTokenResponse as EarlierServerResponse,
    },
};

use super::{Package, TokenService};

#[expect(refining_impl_trait, reason = "the trait's own return type hides the message")]
impl v2::MerchantAuthenticationService for TokenService {
    async fn create_access_token(
        &self,
        context: RequestContext,
        request: ServiceRequest<'_, CreateAccessTokenRequest>,
    ) -> ServiceResult<CreateAccessTokenResponse> {
        self.create(&context, &request, Package::Ucs, false).await
    }

    async fn create_server_authentication_token(
        &self,
        context: RequestContext,
        request: ServiceRequest<'_, CreateAccessTokenRequest>,
    ) -> ServiceResult<CreateAccessTokenResponse> {
        self.create(&context, &request, Package::Ucs, true).await
    }

    async fn create_client_authentication_token(
        &self,
        context: RequestContext,
        request: ServiceRequest<'_, ClientRequest>,
    ) -> ServiceResult<ClientResponse> {
        self.client_session(&context, request.to_owned_message(), Package::Ucs).await
    }

    async fn create_server_session_authentication_token(
        &self,
        context: RequestContext,
        request: ServiceRequest<'_, ServerRequest>,
    ) -> ServiceResult<ServerResponse> {
        self.server_session(&context, request.to_owned_message(), Package::Ucs).await
    }

    async fn create_sdk_session_token(
        &self,
        context: RequestContext,
        request: ServiceRequest<'_, EarlierClientRequest>,
    ) -> ServiceResult<EarlierClientResponse> {
        self.earlier_client_session(&context, request.to_owned_message(), Package::Ucs).await
    }

    async fn create_session_token(
        &self,
        context: RequestContext,
        request: ServiceRequest<'_, EarlierServerRequest>,
    ) -> ServiceResult<EarlierServerResponse> {
        self.earlier_server_session(&context, request.to_owned_message(), Package::Ucs).await
    }
}

#[expect(refining_impl_trait, reason = "the trait's own return type hides the message")]
impl types::MerchantAuthenticationService for TokenService {
    async fn create_access_token(
        &self,
        context: RequestContext,
        request: ServiceRequest<'_, CreateAccessTokenRequest>,
    ) -> ServiceResult<CreateAccessTokenResponse> {
        self.create(&context, &request, Package::Types, false).await
    }

    async fn create_server_authentication_token(
        &self,
        context: RequestContext,
        request: ServiceRequest<'_, CreateAccessTokenRequest>,
    ) -> ServiceResult<CreateAccessTokenResponse> {
        self.create(&context, &request, Package::Types, true).await
    }

    async fn create_client_authentication_token(
        &self,
        context: RequestContext,
        request: ServiceRequest<'_, ClientRequest>,
    ) -> ServiceResult<ClientResponse> {
        self.client_session(&context, request.to_owned_message(), Package::Types).await
    }

    async fn create_server_session_authentication_token(
        &self,
        context: RequestContext,
        request: ServiceRequest<'_, ServerRequest>,
    ) -> ServiceResult<ServerResponse> {
        self.server_session(&context, request.to_owned_message(), Package::Types).await
    }

    async fn create_sdk_session_token(
        &self,
        context: RequestContext,
        request: ServiceRequest<'_, EarlierClientRequest>,
    ) -> ServiceResult<EarlierClientResponse> {
        self.earlier_client_session(&context, request.to_owned_message(), Package::Types).await
    }

    async fn create_session_token(
        &self,
        context: RequestContext,
        request: ServiceRequest<'_, EarlierServerRequest>,
    ) -> ServiceResult<EarlierServerResponse> {
        self.earlier_server_session(&context, request.to_owned_message(), Package::Types).await
    }
}
