/** Bytes of a PEM file that are read; the CA certificates of a whole system are a quarter of it. */
export const largestPem = 1024 * 1024;

/**
 * Options of TLS connections with a CA file: each certificate in it is trusted, an intermediate one too, as Go, and so
 * etcdctl and Sensu, have it. OpenSSL wants the chain to end in a root unless told.
 */
export const trustEachCertificate = { allowPartialTrustChain: true } as const;
