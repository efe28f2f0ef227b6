// erf, erfc, gelu.
#include "ir/math/double_functions.h"
#include "ir/math/parts.h"
#include "ir/math/pieces.h"
#include "ir/math/vector_math.h"

namespace skein {

using namespace math;  // NOLINT: this file is formulas

namespace {

constexpr Pieces kErfPieces = {
    {0x1.f378p+0f, 0x1.379cp+1f, 0x1.76bcp+1f, 0x1.b97cp+1f, 0x1.e9d98p+1f, 0, 0x1.825p-4f,
     0x1.3e58p-3f, 0x1.0248p-2f, 0x1.8268p-2f, 0x1.fc1p-2f, 0x1.407cp-1f, 0x1.9e98p-1f, 0x1.117p+0f,
     0x1.518cp+0f, 0x1.9078p+0f},
    {{0x1.fd0888p-1f, 0x1.ffb48cp-1f, 0x1.fffb74p-1f, 0x1.ffffdcp-1f, 0x1.fffffep-1f, 0,
      0x1.b29e3p-4f, 0x1.645718p-3f, 0x1.1d6002p-2f, 0x1.a02c3p-2f, 0x1.08c334p-1f, 0x1.3f780cp-1f,
      0x1.7ee75cp-1f, 0x1.bcfa08p-1f, 0x1.e02442p-1f, 0x1.f2342p-1f},
     {0x1.9adb44p-6f, 0x1.8a8d12p-9f, 0x1.c08bf6p-13f, 0x1.0215ap-17f, 0x1.082456p-21f,
      0x1.06eba8p-3f, 0x1.1e4e94p+0f, 0x1.19f81ap+0f, 0x1.0f0f68p+0f, 0x1.f50dd6p-1f,
      0x1.c3a9d6p-1f, 0x1.86730cp-1f, 0x1.2be31cp-1f, 0x1.71377ep-2f, 0x1.963356p-3f,
      0x1.8ffb1ap-4f},
     {-0x1.90cc34p-5f, -0x1.e040d8p-8f, -0x1.484296p-11f, -0x1.bd527p-16f, -0x1.22c5a8p-18f,
      0x1.923ca4p-21f, -0x1.b00baap-4f, -0x1.5ea2fcp-3f, -0x1.1179bep-2f, -0x1.7a253ap-2f,
      -0x1.c030ap-2f, -0x1.e8ccfep-2f, -0x1.e5ab5p-2f, -0x1.8a5db8p-2f, -0x1.0bcbcp-2f,
      -0x1.38d9f2p-3f},
     {0x1.c4f248p-5f, 0x1.64ce22p-7f, 0x1.2d440ep-10f, 0x1.e897fep-15f, 0x1.390198p-18f,
      -0x1.814034p-2f, -0x1.77173cp-2f, -0x1.65a34p-2f, -0x1.3b7882p-2f, -0x1.dddc4ap-3f,
      -0x1.31a99ap-3f, -0x1.c271d4p-5f, 0x1.f2159p-5f, 0x1.3b7c48p-3f, 0x1.4f6676p-3f,
      0x1.039be4p-3f},
     {-0x1.34753ep-5f, -0x1.62689ap-7f, -0x1.834428p-10f, -0x1.7df5eep-14f, 0x1.54f59ap-12f,
      0x1.15e6fap-8f, 0x1.a1b45p-5f, 0x1.57391p-4f, 0x1.058a02p-3f, 0x1.5638b8p-3f, 0x1.76884ap-3f,
      0x1.696a16p-3f, 0x1.115514p-3f, 0x1.79beaep-5f, -0x1.55c17ep-6f, -0x1.8b047ep-5f},
     {0x1.9507p-7f, 0x1.de533ap-8f, 0x1.77ac4cp-10f, 0x1.e900d2p-14f, 0x1.ab6ebep-19f,
      0x1.23bd18p-5f, 0x1.c4d7c2p-3f, -0x1.7dd098p-6f, 0x1.69480ap-4f, 0x1.9500d8p-5f,
      0x1.3115dcp-9f, -0x1.013dap-5f, -0x1.f67a12p-5f, -0x1.0c4fb6p-4f, -0x1.3865dp-5f,
      -0x1.078b2ep-7f},
     {0x1.2e604ap-9f, -0x1.8202ccp-9f, -0x1.eed74p-11f, -0x1.e00162p-14f, -0x1.77082ep-7f,
      0x1.f68008p-2f, 0x1.5651d4p+0f, 0x1.2b3982p-2f, 0x1.9e967ap-8f, -0x1.301abep-5f,
      -0x1.d7153cp-6f, -0x1.0eed0ap-4f, -0x1.2a56b8p-6f, 0x1.5f8264p-7f, 0x1.944c78p-6f,
      0x1.0fe39cp-6f}}};

// e^(a^2) erfc(a)
constexpr Pieces kErfcPieces = {
    {0x1.7d68p+0f, 0x1.ff48p+0f, 0x1.3ff4p+1f, 0x1.8198p+1f, 0x1.e0dp+1f, 0x1.3004p+2f, 0x1.719p+2f,
     0x1.b0b8p+2f, 0x1.09e4p+3f, 0x1.363fccp+3f, 0x1.0ecp-4f, 0x1.813p-3f, 0x1.797p-2f,
     0x1.3d48p-1f, 0x1.c17p-1f, 0x1.218p+0f},
    {{0x1.4b0254p-2f, 0x1.05d522p-2f, 0x1.afc986p-3f, 0x1.6d368p-3f, 0x1.29b1cep-3f, 0x1.dc5a36p-4f,
      0x1.8a7354p-4f, 0x1.522b04p-4f, 0x1.1425dep-4f, 0x1.da36b8p-5f, 0x1.dbf126p-1f,
      0x1.a32d5ap-1f, 0x1.612ee4p-1f, 0x1.1e44b2p-1f, 0x1.da8c6ep-2f, 0x1.93c55ep-2f},
     {-0x1.5247eap-3f, -0x1.b666bap-4f, -0x1.309ap-4f, -0x1.ba31b2p-5f, -0x1.29ba7ap-5f,
      -0x1.810b12p-6f, -0x1.0999a4p-6f, -0x1.87d118p-7f, -0x1.062842p-7f, -0x1.833ceep-8f,
      -0x1.0167ap+0f, -0x1.a40d76p-1f, -0x1.3d5ea2p-1f, -0x1.bddeacp-2f, -0x1.4255eap-2f,
      -0x1.e47cep-3f},
     {0x1.3c0c5ep-4f, 0x1.57846p-5f, 0x1.98ba6cp-6f, 0x1.0186dap-6f, 0x1.21a0cap-7f, 0x1.3170ecp-8f,
      0x1.60ef38p-9f, 0x1.c1720ap-10f, 0x1.ee5d34p-11f, 0x1.3a9bcap-11f, 0x1.b9e992p-1f,
      0x1.542c7ap-1f, 0x1.d86832p-2f, 0x1.283c52p-2f, 0x1.7f334p-3f, 0x1.03a77cp-3f},
     {-0x1.123d08p-5f, -0x1.fc9b52p-7f, -0x1.064f0cp-7f, -0x1.219b6ep-8f, -0x1.128cap-9f,
      -0x1.dbfc1ep-11f, -0x1.cef68p-12f, -0x1.fe8c1p-13f, -0x1.cef232p-14f, -0x1.fca666p-15f,
      -0x1.43be1ep-1f, -0x1.daca02p-2f, -0x1.331074p-2f, -0x1.5dbadp-3f, -0x1.9b0dbap-4f,
      -0x1.fcf5d8p-5f},
     {0x1.bf15c2p-7f, 0x1.663faep-8f, 0x1.43885p-9f, 0x1.3b4c82p-10f, 0x1.fc2a38p-12f,
      0x1.6ca6fp-13f, 0x1.2bf59ep-14f, 0x1.1f4b78p-15f, 0x1.ae6f62p-17f, 0x1.98f8c2p-18f,
      0x1.a49f18p-2f, 0x1.27859p-2f, 0x1.672fdep-3f, 0x1.77c684p-4f, 0x1.9552f2p-5f,
      0x1.cf292cp-6f},
     {-0x1.5d7552p-8f, -0x1.e787bp-10f, -0x1.83f6dp-11f, -0x1.4e4f52p-12f, -0x1.d59fb6p-14f,
      -0x1.16f3bcp-15f, -0x1.859cc8p-17f, -0x1.42213ep-18f, -0x1.9714cp-20f, -0x1.46c414p-21f,
      -0x1.e7cb82p-3f, -0x1.454a1p-3f, -0x1.856d74p-4f, -0x1.7610cap-5f, -0x1.7770f8p-6f,
      -0x1.89b7f6p-7f},
     {0x1.f40346p-10f, 0x1.3a2d42p-11f, 0x1.bd98f8p-13f, 0x1.679fp-14f, 0x1.a278cap-16f,
      0x1.9d8d8ap-18f, 0x1.e5cfa6p-20f, 0x1.5eca94p-21f, 0x1.874cccp-23f, 0x1.1916c4p-24f,
      0x1.04024ep-3f, 0x1.673b92p-4f, 0x1.89bbep-5f, 0x1.53b5eap-6f, 0x1.6ab952p-7f,
      0x1.3ac1bp-8f}}};

// a*M(a) = a/2 * e^(a^2/2) erfc(a/sqrt 2)
constexpr Pieces kGeluPieces = {
    {0x1.341p+0f, 0x1.b73p+0f, 0x1.1cc4p+1f, 0x1.5a5p+1f, 0x1.bce8p+1f, 0x1.1dbp+2f, 0x1.5f1p+2f,
     0x1.9dd4p+2f, 0x1.006cp+3f, 0x1.4074p+3f, 0x1.7e18p+3f, 0x1.b7d3bcp+3f, 0, 0x1.5b2p-2f,
     0x1.2edp-1f, 0x1.b25p-1f},
    {{0x1.22d468p-2f, 0x1.49fc52p-2f, 0x1.612088p-2f, 0x1.6f173cp-2f, 0x1.7cd27cp-2f,
      0x1.8684c4p-2f, 0x1.8c1c04p-2f, 0x1.8f5ffep-2f, 0x1.926e5ep-2f, 0x1.948f38p-2f,
      0x1.95b5bap-2f, 0x1.96634ep-2f, 0, 0x1.0e15c6p-3f, 0x1.8fcecep-3f, 0x1.ed47fcp-3f},
     {0x1.903bd6p-4f, 0x1.ccf6bp-5f, 0x1.1c00fcp-5f, 0x1.79941ap-6f, 0x1.a9a126p-7f, 0x1.c91dcep-8f,
      0x1.09c9ecp-8f, 0x1.5384bap-9f, 0x1.7467d8p-10f, 0x1.8955a8p-11f, 0x1.d7ca72p-12f,
      0x1.385e0ap-12f, 0, 0x1.31a9cep-2f, 0x1.ad3dbp-3f, 0x1.32e36p-3f},
     {-0x1.cbde4ap-5f, -0x1.d1aeaap-6f, -0x1.fccfbap-7f, -0x1.30128ep-7f, -0x1.250bb4p-8f,
      -0x1.0745eep-9f, -0x1.046b3cp-10f, -0x1.21f762p-11f, -0x1.0787aap-12f, -0x1.c60bbcp-14f,
      -0x1.cda1ep-15f, -0x1.0b3986p-15f, -0x1.98844cp-2f, -0x1.bb54f2p-3f, -0x1.224ae4p-3f,
      -0x1.832ea8p-4f},
     {0x1.af84d4p-6f, 0x1.854dbap-7f, 0x1.7d5f52p-8f, 0x1.9d6388p-9f, 0x1.585a6ep-10f,
      0x1.057c2cp-11f, 0x1.bb4b3ap-13f, 0x1.b06302p-14f, 0x1.473798p-15f, 0x1.cdcd78p-17f,
      0x1.8eeae4p-18f, 0x1.945e0ep-19f, 0x1.fffc6p-3f, 0x1.ff1ecap-4f, 0x1.3ac742p-4f,
      0x1.8acf3ep-5f},
     {-0x1.619334p-7f, -0x1.1eef92p-8f, -0x1.fbd25p-10f, -0x1.f7566cp-11f, -0x1.6da21ap-12f,
      -0x1.d98676p-14f, -0x1.5a57d6p-15f, -0x1.2a23d2p-16f, -0x1.77de42p-18f, -0x1.b3be4ap-20f,
      -0x1.3eb1c6p-21f, -0x1.10de5ap-22f, -0x1.100c0ap-3f, -0x1.f8b012p-5f, -0x1.262854p-5f,
      -0x1.5cc75ep-6f},
     {0x1.0846a8p-8f, 0x1.8498f4p-10f, 0x1.37bbdap-11f, 0x1.1c0e3p-12f, 0x1.70aebcp-14f,
      0x1.97aa62p-16f, 0x1.0090dcp-17f, 0x1.84e602p-19f, 0x1.a651c4p-21f, 0x1.8e9a42p-23f,
      0x1.f1fc56p-25f, 0x1.7de26ap-26f, 0x1.f4eeeep-5f, 0x1.bf2504p-6f, 0x1.ed2cb6p-7f,
      0x1.17575cp-7f},
     {-0x1.5e0fe6p-10f, -0x1.e391a6p-12f, -0x1.8f6d0ep-13f, -0x1.2132d2p-14f, -0x1.5abc88p-16f,
      -0x1.466366p-18f, -0x1.5d71e2p-20f, -0x1.32b51ep-22f, -0x1.d159b4p-24f, -0x1.7f9728p-26f,
      -0x1.17fe02p-27f, -0x1.005366p-26f, -0x1.53b82cp-6f, -0x1.428e8ap-7f, -0x1.399b8p-8f,
      -0x1.8e5d86p-9f}}};

// e^-(h + l) = (1 + v) * 2^n, n + bias in the low bits of `bits`.
struct ExpOfSquare {
  Word bits;
  Real v;
};

ExpOfSquare ExpOfNegative(Pair square, int bias) {
  const Real sum = Fma(square.high, -kLog2E, kRounder + bias);
  const Real n = sum - (kRounder + bias);
  const Real r = Fma(n, -kLn2High, -square.high) + Fma(n, -kLn2Low, -square.low);
  return {BitsOf(sum), Fma(ExpTail(r), r * r, r)};
}

// A result that underflows to zero must not be a subnormal product before: 2^64 times it is
// carried.
constexpr int kScaleExponent = 64;

// 2^64 * m * e^-(square)
Real TimesExpOfNegative(Real m, Pair square) {
  const ExpOfSquare e = ExpOfNegative(square, 127 + kScaleExponent);
  return Fma(m, e.v, m) * PowerOfTwo(e.bits);
}

}  // namespace

ValueId EmitErf(LoopBuilder& b, ValueId x_id) {
  const Real x(b, x_id);
  if (x.type() == ElementType::kF64) return DoubleErf(x).id();
  return OddByPieces(kErfPieces, x, 3.95, 0.3125, 0.375).id();
}

// e^(-a^2) times a function that varies little, with a^2 exact, for a = |x|; 2 - erfc(a) for x < 0.
ValueId EmitErfc(LoopBuilder& b, ValueId x_id) {
  const Real x(b, x_id);
  if (x.type() == ElementType::kF64) return DoubleErfc(x).id();
  const Real a = MinX86(10.2, Abs(x));
  const Real y = TimesExpOfNegative(Piece(kErfcPieces, a, 0.75).Value(), TwoProduct(a, a));
  const Word unscale = Select(x > 10.06, Word(0), Word(0x1f800000));  // 2^-64
  const Real two = FloatOf(ShiftRightSigned(BitsOf(x), 31) & Word(0x40000000));
  return Fma(y, FloatOf(unscale | SignOf(x)), two).id();
}

// max(0, x) - a*M(a)*e^(-a^2/2) with M(a) = erfc(a/sqrt 2)/2 * e^(a^2/2), a = |x|: no cancellation
// on either side, and full relative accuracy in the negative tail. The zero is negative where x is.
ValueId EmitGelu(LoopBuilder& b, ValueId x_id) {
  const Real x(b, x_id);
  if (x.type() == ElementType::kF64) return DoubleGelu(x).id();
  const Real a = MinX86(14.45, Abs(x));
  const Real half = a * 0.5;
  const Real m = Piece(kGeluPieces, a, 1.03125).Value(1.25, half);
  const Real y = TimesExpOfNegative(m, TwoProduct(a, half));
  const Real unscale = Select(x < -14.36, Real(0), Real(0x1p-64));
  return Fma(-y, unscale, MaxX86(-0.0, x)).id();
}

}  // namespace skein
