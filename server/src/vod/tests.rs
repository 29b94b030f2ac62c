//! Requests and responses of a service.
