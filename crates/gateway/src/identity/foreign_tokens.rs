// Made once with another implementation; the private keys were not kept.
pub(super) const ED25519: (&str, &str) = (
    "-----BEGIN PUBLIC KEY-----
MCowBQYDK2VwAyEANkAlvdQikD7lXsZN/YEYIVhGuuygRCU5knrUAJ9/agQ=
-----END PUBLIC KEY-----",
    "eyJhbGciOiAiRWREU0EiLCAia2lkIjogImsifQ.eyJpc3MiOiAidXMiLCAiYXVkIjogImVsb2hpbSIsICJzdWIiOiAiYm9iIiwgIm5iZiI6IDE3MDAwMDAwMDAsICJleHAiOiAxNzAwMDAwNjAwfQ.i3vugVrYWwxEINEVZKt2l5oKsqYmXRRL94i2ikHoHWuKbREubcJkOagqRwV3MBf6wnuTnD8llrvQSsTTOuTjBQ",
);
pub(super) const P256: (&str, &str) = (
    "-----BEGIN PUBLIC KEY-----
MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEvAC668mx6vuVdzritA1RJd/Ye19f
EI12voepYFPqPPStO/h9WkHpalkOo66FEUCO/KLFPUh1bYzfJ3lfgveuSw==
-----END PUBLIC KEY-----",
    "eyJhbGciOiAiRVMyNTYiLCAia2lkIjogImsifQ.eyJpc3MiOiAidXMiLCAiYXVkIjogImVsb2hpbSIsICJzdWIiOiAiYm9iIiwgIm5iZiI6IDE3MDAwMDAwMDAsICJleHAiOiAxNzAwMDAwNjAwfQ.6REpJ02RmQ_niyu18rcSavGNx1mrnUp0W2K5t5DNabPl2cY4CSy34JIO6LAjhcixOqYUBRcrHtRna7LXXyAjag",
);
pub(super) const RSA: (&str, &str) = (
    "-----BEGIN PUBLIC KEY-----
MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEAp/Xe9rSNncrJJ2ExgV0z
dRxGx+4GsDea0z8JbO5EOfh0PXGr79z7StFCNDjQd73YdylC5DN7XDKfqqyNJ2PV
PbOGP4UmdoSGFWvDxgWsWpdlBD1Gi8QzL1hSEdLhFVatKzAuKCBCeL4y+h4RVMVK
Tb636f5sT5MmzuNq1sBWU3peCCShQeN6ei8omJdLXW6bo2n3tSLt+qKd6DHjAY7q
00hHqBXffMWN0fewaGQlMRvHbBesf0GcmrIb+1/s9GC09Im0i1s1R40raelVyr9Z
bU5hZnxAZrEWENF/bn6Bn4muna/6sCQnQAZUVMhDMa/XdHT9KXsSQuN+R4NyE3jS
YQIDAQAB
-----END PUBLIC KEY-----",
    "eyJhbGciOiAiUlMyNTYiLCAia2lkIjogImsifQ.eyJpc3MiOiAidXMiLCAiYXVkIjogImVsb2hpbSIsICJzdWIiOiAiYm9iIiwgIm5iZiI6IDE3MDAwMDAwMDAsICJleHAiOiAxNzAwMDAwNjAwfQ.iz4AueUwT0QV3A7aCSnX0UfEcFtRJhwN0XXfVNT3A68Hs_34t8aUae0ld5RDmT5G2SvxkTH5PuKZVP7k-EZsbMdrM9hdzR8e7lOiOrxi2v4P241TusaInEblhS4oQnWCGbSg8O5x6jfM6XKS8SjJrYvF99XOXMD3nzvtuniUFs8oeL07bpUkT0HjFo74HhfE0zFrWExMyK1TocC2wbZsP3_jTYeHdrsUWcFOPIJ2aH-SNE6vAUFNC84tu6UvqNRyNzCl5K90Mg_kissuVhVMt60EXZ2WfRLWaDtg42rEE9iUA3SiEX2nNadyb40dOldbT0GG593vLbNxc9nHzo4U0Q",
);
pub(super) const RSA_1024: &str = "-----BEGIN PUBLIC KEY-----
MIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQKBgQDFJYwBwFO9eGu46fuEnaX2QLUX
949AunjcYctIRRY/q1bPQ8v+ot5IuzKuYOHJcIaOd9Tk7HnsDXfIRbCt973p3WSG
dGa+FLtT3OwFIhpLartJ1Pkt8vInTYox3TJp4N4NSWddKiHSPmWweDWQcIG320dM
kKnm17hgoQmyUheOAwIDAQAB
-----END PUBLIC KEY-----";
pub(super) const JWKS: &str = r#"{
 "keys": [
  {
   "kty": "OKP",
   "crv": "Ed25519",
   "kid": "ed",
   "alg": "EdDSA",
   "use": "sig",
   "x": "NkAlvdQikD7lXsZN_YEYIVhGuuygRCU5knrUAJ9_agQ"
  },
  {
   "kty": "EC",
   "crv": "P-256",
   "kid": "ec",
   "x": "vAC668mx6vuVdzritA1RJd_Ye19fEI12voepYFPqPPQ",
   "y": "rTv4fVpB6WpZDqOuhRFAjvyixT1IdW2M3yd5X4L3rks"
  },
  {
   "kty": "RSA",
   "kid": "rsa",
   "alg": "RS256",
   "n": "p_Xe9rSNncrJJ2ExgV0zdRxGx-4GsDea0z8JbO5EOfh0PXGr79z7StFCNDjQd73YdylC5DN7XDKfqqyNJ2PVPbOGP4UmdoSGFWvDxgWsWpdlBD1Gi8QzL1hSEdLhFVatKzAuKCBCeL4y-h4RVMVKTb636f5sT5MmzuNq1sBWU3peCCShQeN6ei8omJdLXW6bo2n3tSLt-qKd6DHjAY7q00hHqBXffMWN0fewaGQlMRvHbBesf0GcmrIb-1_s9GC09Im0i1s1R40raelVyr9ZbU5hZnxAZrEWENF_bn6Bn4muna_6sCQnQAZUVMhDMa_XdHT9KXsSQuN-R4NyE3jSYQ",
   "e": "AQAB"
  },
  {
   "kty": "RSA",
   "kid": "other-algorithm",
   "alg": "RS512",
   "n": "p_Xe9rSNncrJJ2ExgV0zdRxGx-4GsDea0z8JbO5EOfh0PXGr79z7StFCNDjQd73YdylC5DN7XDKfqqyNJ2PVPbOGP4UmdoSGFWvDxgWsWpdlBD1Gi8QzL1hSEdLhFVatKzAuKCBCeL4y-h4RVMVKTb636f5sT5MmzuNq1sBWU3peCCShQeN6ei8omJdLXW6bo2n3tSLt-qKd6DHjAY7q00hHqBXffMWN0fewaGQlMRvHbBesf0GcmrIb-1_s9GC09Im0i1s1R40raelVyr9ZbU5hZnxAZrEWENF_bn6Bn4muna_6sCQnQAZUVMhDMa_XdHT9KXsSQuN-R4NyE3jSYQ",
   "e": "AQAB"
  },
  {
   "kty": "RSA",
   "kid": "for-encryption",
   "use": "enc",
   "n": "p_Xe9rSNncrJJ2ExgV0zdRxGx-4GsDea0z8JbO5EOfh0PXGr79z7StFCNDjQd73YdylC5DN7XDKfqqyNJ2PVPbOGP4UmdoSGFWvDxgWsWpdlBD1Gi8QzL1hSEdLhFVatKzAuKCBCeL4y-h4RVMVKTb636f5sT5MmzuNq1sBWU3peCCShQeN6ei8omJdLXW6bo2n3tSLt-qKd6DHjAY7q00hHqBXffMWN0fewaGQlMRvHbBesf0GcmrIb-1_s9GC09Im0i1s1R40raelVyr9ZbU5hZnxAZrEWENF_bn6Bn4muna_6sCQnQAZUVMhDMa_XdHT9KXsSQuN-R4NyE3jSYQ",
   "e": "AQAB"
  },
  {
   "kty": "EC",
   "crv": "P-256",
   "kid": "off-the-curve",
   "x": "vAC668mx6vuVdzritA1RJd_Ye19fEI12voepYFPqPPQ",
   "y": "vAC668mx6vuVdzritA1RJd_Ye19fEI12voepYFPqPPQ"
  },
  {
   "kty": "RSA",
   "n": "p_Xe9rSNncrJJ2ExgV0zdRxGx-4GsDea0z8JbO5EOfh0PXGr79z7StFCNDjQd73YdylC5DN7XDKfqqyNJ2PVPbOGP4UmdoSGFWvDxgWsWpdlBD1Gi8QzL1hSEdLhFVatKzAuKCBCeL4y-h4RVMVKTb636f5sT5MmzuNq1sBWU3peCCShQeN6ei8omJdLXW6bo2n3tSLt-qKd6DHjAY7q00hHqBXffMWN0fewaGQlMRvHbBesf0GcmrIb-1_s9GC09Im0i1s1R40raelVyr9ZbU5hZnxAZrEWENF_bn6Bn4muna_6sCQnQAZUVMhDMa_XdHT9KXsSQuN-R4NyE3jSYQ",
   "e": "AQAB"
  },
  {
   "kty": "oct",
   "kid": "secret",
   "k": "AAAA"
  }
 ]
}"#;
