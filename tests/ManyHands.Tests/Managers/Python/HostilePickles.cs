using System.Buffers;
using System.Text;
using ManyHands.Managers;

namespace ManyHands.Tests.Managers;

/// <summary>Pickles that somebody sends to do harm, by what is wrong with them; the seeds of fuzzing too.</summary>
public static class HostilePickles
{
    /// <summary>All are refused.</summary>
    public static readonly IReadOnlyDictionary<string, Func<byte[]>> Refused = new Dictionary<string, Func<byte[]>>
    {
        ["nothing"] = Hex(""),
        ["empty stack"] = Hex("80042e"),
        ["two objects"] = Hex("80044e4e2e"),
        ["unknown protocol"] = Hex("80ff4e2e"),
        ["header only"] = Hex("8004"),
        ["second header"] = Hex("800480044e2e"),
        ["bytes behind the end"] = Hex("80044e2e4e"),
        ["text without length"] = Hex("80048c"),
        ["text that is cut"] = Hex("80048cff61"),
        ["frame beyond the end"] = Hex("800495ffffffffffffffff4e2e"),
        ["text of 2 GiB"] = Hex("8004580000008061"),
        ["text of 2^64"] = Hex("80048dffffffffffffffff61"),
        ["negative length of an integer"] = Hex("80048bffffffff2e"),
        ["integer of 1 GiB"] = Hex("80048b000000402e"),
        ["bytes of 2^64"] = Hex("80048effffffffffffffff2e"),
        ["byte array of 2^63"] = Hex("800596ffffffffffffff7f2e"),
        ["integer of a million bytes"] = () => [0x80, 4, 0x8B, 0x40, 0x42, 0x0F, 0, .. new byte[999_999], 1, (byte)'.'],
        ["integer of 100,000 digits"] = () => Encoding.ASCII.GetBytes($"L{new string('9', 100_000)}L\n."),
        ["tuple without mark"] = Hex("8004742e"),
        ["pair of one"] = Hex("80044e862e"),
        ["pair across a mark"] = Hex("80044e284e862e"),
        ["items of nothing"] = Hex("8004284e652e"),
        ["item of a text"] = Hex("80048c01614e612e"),
        ["value without key"] = Hex("80047d284e752e"),
        ["mark left"] = Hex("80044e282e"),
        ["text as a class"] = Hex("80048c01614b01932e"),
        ["unset place"] = Hex("800468ff2e"),
        ["unset far place"] = Hex("80046affffff7f2e"),
        ["far place set"] = Hex("80024e72ffffff7f2e"),
        ["a million marks"] = () => [0x80, 4, .. Enumerable.Repeat((byte)'(', 1_000_000)],
        ["100,000 lists in each other"] = () => [0x80, 4, .. Enumerable.Repeat((byte)']', 100_000), .. Enumerable.Repeat((byte)'a', 99_999), (byte)'.'],
        ["100,000 tuples in each other"] = () => [0x80, 4, (byte)')', .. Enumerable.Repeat((byte)0x85, 100_000), (byte)'.'],
        ["100,000 sets in each other"] = () => [0x80, 4, .. Enumerable.Repeat((byte)'(', 200), (byte)')', .. Enumerable.Repeat((byte)0x91, 200), .. Enumerable.Repeat((byte)0x85, 100_000), (byte)'.'],
        ["list as key"] = Hex("80047d5d4e732e"),
        ["list in a tuple as key"] = Hex("80047d5d854e732e"),
        ["list in a set"] = Hex("80048f285d902e"),
        ["tuple of 2^30 as key"] = () => [0x80, 4, (byte)'}', .. Laughs(30), (byte)'N', (byte)'s', (byte)'.'],
        ["tuple of 2^16 as key, a thousand times"] = () => [0x80, 4, (byte)'}', (byte)'(', .. Laughs(16), (byte)'N', .. Enumerable.Repeat((byte[])[(byte)'h', 15, (byte)'h', 15, 0x86, (byte)'N'], 1000).SelectMany(static bytes => bytes), (byte)'u', (byte)'.'],
        ["posix.system"] = Hex("80048c05706f736978948c0673797374656d93948c046563686f85522e"),
        ["builtins.eval"] = Hex("80048c086275696c74696e738c046576616c938c033120318552 2e"),
        ["builtins.getattr"] = Hex("80048c086275696c74696e738c0767657461747472932e"),
        ["os.system as a line"] = Hex("636f730a73797374656d0a2e"),
        ["a class as a value"] = Hex("80048c086275696c74696e738c04646963 74932e"),
        ["a class in a list"] = Hex("80045d8c086275696c74696e738c0464696374 93612e"),
        ["a class in a tuple"] = Hex("80048c086275696c74696e738c046469637493852e"),
        ["a class of a class"] = Hex("80048c086275696c74696e738c066f626a656374 9329522e"),
        ["inst"] = Hex("2869636f6c6c656374696f6e730a4f7264657265644469 63740a2e"),
        ["obj"] = Hex("80022863636f6c6c656374696f6e730a4f726465726564446963740a6f2e"),
        ["persistent id as a line"] = Hex("50310a2e"),
        ["persistent id"] = Hex("80044e512e"),
        ["extension 1"] = Hex("800482012e"),
        ["extension 2"] = Hex("80048301002e"),
        ["extension 4"] = Hex("800484010000002e"),
        ["new object with keywords"] = Hex("80048c04757569648c045555494493297d922e"),
        ["buffer from outside"] = Hex("8005972e"),
        ["read-only buffer"] = Hex("80054e982e"),
        ["old integer in protocol 4"] = Hex("800449310a2e"),
        ["duplicate"] = Hex("80044e32862e"),
        ["Token with a text as state"] = Token("8c0161"),
        ["Token with a dictionary as state"] = Token("7d"),
        ["Token with a pair as state"] = Token("8c01618c016286"),
        ["Token without state"] = () => [.. Bytes("8004"), .. TokenClass, .. Bytes("29812e")],
        ["Token without state, by its place"] = () => [.. Bytes("8004"), .. TokenClass, .. Bytes("29819430 68002e")],
        ["Token built twice"] = () => [.. Bytes("8004"), .. TokenClass, .. Bytes("2981 8c01614e8c016287 62 8c01614e8c016287 622e")],
        ["Token with a host of a million characters"] = () => [.. Bytes("8004"), .. TokenClass, .. Bytes("2981 8c01615840420f00"), .. Enumerable.Repeat((byte)'h', 1_000_000), .. Bytes("4b50868c01628762 2e")],
        ["Token with a port that is none"] = Token("8c01618c0168 4affffff7f 86 8c0162 87"),
        ["proxy with a key"] = () => Proxy("28 8c06696e637265664b01 8c07617574686b6579430161 75"),
        ["proxy with incref"] = () => Proxy("8c06696e637265664b0173"),
        ["proxy with exposed numbers"] = () => Proxy("8c076578706f7365644b018573"),
        ["invalid UTF-8"] = Hex("80048c02c3282e"),
        ["overlong UTF-8"] = Hex("80048c02c0802e"),
        ["cut UTF-8"] = Hex("80048c01e22e"),
        ["half a surrogate's bytes"] = Hex("80048c02eda02e"),
        ["time of month 13"] = Hex("80048c086461746574696d658c086461746574696d6593430a07e80d02000000000000 85522e"),
        ["time of hour 24"] = Hex("80048c086461746574696d658c086461746574696d6593430a07e801021800000000 00 85522e"),
        ["array of a half number"] = Hex("80048c056172726179 8c056172726179 93 8c0169 4303010203 86522e"),
        ["Decimal of code"] = Hex("80048c07646563696d616c8c07446563696d616c93 8c03 5f5f61 85522e"),
        ["UUID of a text"] = Hex("80048c04757569648c04555549449329817d8c03696e748c0161 73622e"),
        ["UUID of 2^128"] = Hex("80048c04757569648c04555549449329817d8c03696e748a11 0000000000000000000000000000000001 73622e"),
        ["range of step 0"] = Hex("80048c086275696c74696e738c0572616e6765934b014b024b0087522e"),
        ["items for a frozenset"] = Hex("8004289128 4b01902e"),
        ["a megabyte copied 100,000 times"] = () => [.. Bytes("80048c086275696c74696e738c096279746561727261799394 4240420f00"), .. new byte[1_000_000], .. Bytes("8594 30 5d 28"), .. Enumerable.Repeat(Bytes("6800680152"), 100_000).SelectMany(static bytes => bytes), .. Bytes("652e")],
    };

    /// <summary>Read as the data they are; whoever goes through them must not go on for ever.</summary>
    public static readonly IReadOnlyDictionary<string, Func<byte[]>> Laughing = new Dictionary<string, Func<byte[]>>
    {
        ["tuple of 2^30"] = () => [0x80, 4, .. Laughs(30), (byte)'.'],
        ["two tuples of 2^30"] = () => [0x80, 4, .. Laughs(30), .. Laughs(30, 30), 0x86, (byte)'.'],
        ["list in itself"] = Hex("80045d946800612e"),
        ["dictionary in itself"] = Hex("80047d948c016b6800732e"),
        ["list in its own tuple"] = Hex("80045d94 6800 85 612e"),
        ["lists of 2^30"] = () => [0x80, 4, (byte)']', 0x94, .. Enumerable.Range(0, 30).SelectMany(static level => (byte[])[(byte)']', 0x94, (byte)'(', (byte)'h', (byte)level, (byte)'h', (byte)level, (byte)'e']), (byte)'(', (byte)'1', .. Pops(30)],
    };

    public static byte[] Bytes(string hex) => Convert.FromHexString(hex.Replace(" ", "", StringComparison.Ordinal));

    /// <summary>A value that stands for two to the given power of items.</summary>
    private static IEnumerable<byte> Laughs(int levels, int from = 0)
    {
        yield return (byte)')';
        for (int level = 0; level < levels; level++)
        {
            yield return 0x94;
            yield return (byte)'h';
            yield return (byte)(from + level);
            yield return 0x86;
        }
    }

    // The topmost list stays: what is under it goes into the memo only.
    private static byte[] Pops(int count) => [0x94, .. Enumerable.Repeat((byte)'0', count + 1), (byte)'h', (byte)(count + 1), (byte)'.'];

    private static byte[] TokenClass => Bytes("8c186d756c746970726f63657373696e672e6d616e61676572738c05546f6b656e93");

    private static Func<byte[]> Token(string state) => () => [.. Bytes("8004"), .. TokenClass, .. Bytes("2981"), .. Bytes(state), .. Bytes("622e")];

    private static byte[] Proxy(string options)
    {
        ArrayBufferWriter<byte> written = new();
        PickleWriter.Write(written, new PythonProxyReference("AutoProxy", new PythonToken("get", "/tmp/x", "1"), null));
        ReadOnlySpan<byte> bytes = written.WrittenSpan;
        return [.. bytes[..^3], .. Bytes(options), .. bytes[^3..]];
    }

    private static Func<byte[]> Hex(string hex) => () => Bytes(hex);
}
