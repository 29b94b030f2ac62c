"""What schemathesis has to be told about our API beyond its document."""

import schemathesis


@schemathesis.serializer("application/offset+octet-stream")
def octets(_context, value):
    """The body of a tus PATCH is the bytes themselves."""
    return value if isinstance(value, bytes) else str(value).encode()
