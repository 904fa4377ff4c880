//! The members of the four requests in one form. Used by `inputs` and `arms`.

use buffa::{EnumValue, Enumeration};
use connectors::Error;
use protocol::ucs::v2::{
    __buffa::oneof::{
        merchant_authentication_service_create_client_authentication_token_request::DomainContext as ClientContext,
        merchant_authentication_service_create_server_session_authentication_token_request::DomainContext as ServerContext,
    },
    AuthenticatorClientAuthenticationContext, CountryAlpha2, Currency, Customer,
    MerchantAuthenticationServiceCreateClientAuthenticationTokenRequest as ClientRequest,
    MerchantAuthenticationServiceCreateSdkSessionTokenRequest as EarlierClientRequest,
    MerchantAuthenticationServiceCreateServerSessionAuthenticationTokenRequest as ServerRequest,
    MerchantAuthenticationServiceCreateSessionTokenRequest as EarlierServerRequest, Money,
    PaymentClientAuthenticationContext, PaymentMethodType,
};

/// The kinds of answer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Kind {
    /// An arm for each connector.
    Client,
    /// Arms for wallets only.
    EarlierClient,
    /// A token alone.
    Server,
}

/// What a session is for, as the request says it.
pub(in crate::rpc) struct Members {
    pub(super) kind: Kind,
    /// The name of the request's reference.
    pub(super) reference_name: &'static str,
    /// The member that the others stand in, with a full stop after it; empty at the top.
    pub(super) context: &'static str,
    amount: Option<Money>,
    /// Parts of the amount, by name.
    pub(super) parts: [(&'static str, Option<i64>); 2],
    method: EnumValue<PaymentMethodType>,
    country: EnumValue<CountryAlpha2>,
    countries: Vec<EnumValue<CountryAlpha2>>,
    pub(super) customer: Option<Customer>,
    /// The connector's id of the customer, from the state.
    pub(super) state_customer: Option<String>,
    pub(super) return_url: Option<String>,
    pub(super) webhook_url: Option<String>,
    pub(super) locale: Option<String>,
    pub(super) native_app: Option<String>,
    pub(super) has_urls_by_system: bool,
    pub(super) permissions: Vec<String>,
    /// `metadata`, JSON.
    pub(in crate::rpc) metadata: Option<String>,
}

impl Members {
    fn empty(kind: Kind, reference_name: &'static str) -> Self {
        Self {
            kind,
            reference_name,
            context: "",
            amount: None,
            parts: [("order_tax_amount", None), ("shipping_cost", None)],
            method: EnumValue::default(),
            country: EnumValue::default(),
            countries: Vec::new(),
            customer: None,
            state_customer: None,
            return_url: None,
            webhook_url: None,
            locale: None,
            native_app: None,
            has_urls_by_system: false,
            permissions: Vec::new(),
            metadata: None,
        }
    }

    /// Those of `CreateClientAuthenticationToken`.
    pub(in crate::rpc) fn of_client(request: ClientRequest) -> Self {
        let empty = Self::empty(Kind::Client, "merchant_client_session_id");
        let permissions = request.permissions.into_option().map(|list| list.values).unwrap_or_default();
        let members = match request.domain_context {
            None => empty,
            Some(ClientContext::Payment(payment)) => empty.with_payment(*payment),
            Some(ClientContext::Authenticator(link)) => empty.with_link(*link),
        };
        Self { permissions, ..members }
    }

    /// Those of `CreateSdkSessionToken`.
    pub(in crate::rpc) fn of_earlier_client(request: EarlierClientRequest) -> Self {
        let payment = PaymentClientAuthenticationContext {
            amount: request.amount,
            order_tax_amount: request.order_tax_amount,
            shipping_cost: request.shipping_cost,
            payment_method_type: request.payment_method_type,
            country_alpha2_code: request.country_alpha2_code,
            customer: request.customer,
            metadata: request.metadata,
            ..Default::default()
        };
        Self { context: "", ..Self::empty(Kind::EarlierClient, "merchant_sdk_session_id").with_payment(payment) }
    }

    /// Those of `CreateServerSessionAuthenticationToken`.
    pub(in crate::rpc) fn of_server(request: ServerRequest) -> Self {
        let empty = Self::empty(Kind::Server, "merchant_server_session_id");
        let state_customer = request.state.into_option().and_then(|state| state.connector_customer_id);
        let members = match request.domain_context {
            None => empty,
            Some(ServerContext::Payment(payment)) => Self {
                context: "payment.",
                amount: payment.amount.into_option(),
                customer: payment.customer.into_option(),
                metadata: payment.metadata.into_option().map(|text| text.value),
                ..empty
            },
        };
        Self { state_customer, ..members }
    }

    /// Those of `CreateSessionToken`.
    pub(in crate::rpc) fn of_earlier_server(request: EarlierServerRequest) -> Self {
        Self {
            amount: request.amount.into_option(),
            metadata: request.metadata.into_option().map(|text| text.value),
            state_customer: request.state.into_option().and_then(|state| state.connector_customer_id),
            ..Self::empty(Kind::Server, "merchant_session_id")
        }
    }

    fn with_payment(self, payment: PaymentClientAuthenticationContext) -> Self {
        Self {
            context: "payment.",
            amount: payment.amount.into_option(),
            parts: [("order_tax_amount", payment.order_tax_amount), ("shipping_cost", payment.shipping_cost)],
            method: payment.payment_method_type,
            country: payment.country_alpha2_code,
            customer: payment.customer.into_option(),
            return_url: payment.return_url,
            metadata: payment.metadata.into_option().map(|text| text.value),
            ..self
        }
    }

    fn with_link(self, link: AuthenticatorClientAuthenticationContext) -> Self {
        Self {
            context: "authenticator.",
            countries: link.country_codes,
            customer: link.customer.into_option(),
            return_url: link.return_url,
            webhook_url: link.webhook_url,
            locale: link.locale,
            native_app: link.native_app_identifier,
            has_urls_by_system: link.os_based_return_url.is_set(),
            metadata: link.metadata,
            ..self
        }
    }

    /// The amount in minor units; zero where there is none.
    ///
    /// # Errors
    /// It is negative.
    pub(super) fn minor_amount(&self) -> Result<i64, Error> {
        match self.amount.as_ref().map(|amount| amount.minor_amount) {
            Some(negative) if negative < 0 => {
                Err(Error::invalid(self.path("amount.minor_amount"), "must not be negative"))
            }
            amount => Ok(amount.unwrap_or_default()),
        }
    }

    /// The currency of the amount.
    ///
    /// # Errors
    /// No currency has the number.
    pub(super) fn currency(&self) -> Result<Option<Currency>, Error> {
        let Some(amount) = &self.amount else { return Ok(None) };
        let currency = known(&amount.currency).ok_or_else(|| self.unknown("amount.currency"))?;
        Ok(Some(currency).filter(|currency| *currency != Currency::CURRENCY_UNSPECIFIED))
    }

    /// The only payment method, where one is said.
    ///
    /// # Errors
    /// No method has the number.
    pub(super) fn method(&self) -> Result<Option<PaymentMethodType>, Error> {
        let method = known(&self.method).ok_or_else(|| self.unknown("payment_method_type"))?;
        Ok(Some(method).filter(|method| *method != PaymentMethodType::PAYMENT_METHOD_TYPE_UNSPECIFIED))
    }

    /// The country of the payment, as its code.
    ///
    /// # Errors
    /// No country has the number.
    pub(super) fn country(&self) -> Result<Option<&'static str>, Error> {
        let country = known(&self.country).ok_or_else(|| self.unknown("country_alpha2_code"))?;
        Ok(code(country))
    }

    /// The countries of the banks, as their codes.
    ///
    /// # Errors
    /// No country has one of the numbers.
    pub(super) fn countries(&self) -> Result<Vec<&'static str>, Error> {
        let unknown = || self.unknown("country_codes");
        self.countries.iter().map(|country| known(country).and_then(code).ok_or_else(unknown)).collect()
    }

    /// The name of a member, as in errors.
    pub(super) fn path(&self, member: &str) -> String {
        let at_top = ["permissions", "state.connector_customer_id"].contains(&member);
        if at_top { member.to_owned() } else { format!("{}{member}", self.context) }
    }

    fn unknown(&self, member: &str) -> Error {
        Error::invalid(self.path(member), "no value of the enum has this number")
    }
}

fn known<E: Enumeration>(value: &EnumValue<E>) -> Option<E> {
    E::from_i32(value.to_i32())
}

fn code(country: CountryAlpha2) -> Option<&'static str> {
    Some(country).filter(|country| *country != CountryAlpha2::COUNTRY_ALPHA2_UNSPECIFIED).map(|it| it.proto_name())
}
