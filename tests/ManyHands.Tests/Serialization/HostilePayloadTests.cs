using System.Collections.Immutable;
using System.Globalization;
using System.Net;
using System.Text.Json;
using ManyHands.Serialization;
using Xunit;

namespace ManyHands.Tests.Serialization;

/// <summary>
/// Whatever bytes another process sends, reading them ends in a value or in <see cref="InvalidPayloadException"/>, soon, and without
/// taking more memory than the bytes could stand for.
/// </summary>
public class HostilePayloadTests
{
    private const long GenerousAllocation = 1024 * 1024;

    private static readonly Dictionary<string, Action<Action<byte[], Action<byte[]>>>> Payloads = new()
    {
        ["record"] = With(new Person("Grüße", 42, "a\uD83D")),
        ["collections"] = With(new Holder<Dictionary<string, List<int[]?>>>(1, new() { ["a"] = [[1, 2], null], ["b"] = [] }, 2)),
        ["tree"] = With(new Tree("a", [new Tree("b", []), new Tree("c", [])])),
        ["union"] = With(new List<Shape> { new Circle(1), new Square(2), new() }),
        ["dimensions"] = With(new Holder<double[,]>(1, new double[2, 3], 2)),
        ["dimensions of text"] = With(new[,] { { "a", "b" }, { "c", "d" } }),
        ["framework types"] = With((new Uri("https://a.b/c"), CultureInfo.GetCultureInfo("de-DE"), IPAddress.IPv6Loopback, new Version(1, 2), 1.50m, DateTime.UnixEpoch, DateTimeOffset.UnixEpoch)),
        ["immutable"] = With((ImmutableArray.Create(1, 2), ImmutableList.Create("a"), new Stack<Point>([new(1, 2)]), new System.Collections.BitArray(9))),
        ["numbers"] = With((new List<double> { 1, 2 }, new List<bool> { true }, new HashSet<long> { 1 }, new byte[] { 1, 2 }, System.Numerics.BigInteger.Pow(3, 99), Int128.MaxValue)),
        ["deep"] = With(Enumerable.Range(0, 60).Aggregate(new Nest(), static (nest, _) => new Nest { Items = [nest] })),
        ["JSON"] = With(JsonDocument.Parse("""{"a":[1,{"b":null}]}""").RootElement),
        ["class with checks"] = With(new Checked("a", 3)),
    };

    public static TheoryData<string> Names => [.. Payloads.Keys];

    [Theory]
    [MemberData(nameof(Names))]
    public void EveryTruncationIsFoundOut(string name) => Payloads[name]((bytes, read) =>
    {
        for (int length = 0; length < bytes.Length; length++)
        {
            byte[] cut = bytes[..length];
            Assert.Throws<InvalidPayloadException>(() => read(cut));
            if (length >= sizeof(int))
            {
                // The frame tells the truth about a block that is cut short.
                BitConverter.TryWriteBytes(cut, length - sizeof(int));
                Assert.Throws<InvalidPayloadException>(() => read(cut));
            }
        }
    });

    [Theory]
    [MemberData(nameof(Names))]
    public void EveryFlippedBitEndsWell(string name) => Payloads[name]((bytes, read) =>
    {
        for (int bit = 0; bit < bytes.Length * 8; bit++)
        {
            byte[] flipped = [.. bytes];
            flipped[bit / 8] ^= (byte)(1 << (bit % 8));
            EndsWell(read, flipped);
        }
    });

    [Theory]
    [MemberData(nameof(Names))]
    public void EveryByteReplacedByALengthEndsWell(string name) => Payloads[name]((bytes, read) =>
    {
        // The first bytes of MessagePack's arrays, maps, texts, binaries and extensions of a length of four bytes, and that length.
        foreach (byte code in (ReadOnlySpan<byte>)[0xDD, 0xDF, 0xDB, 0xC6, 0xC9, 0xC0, 0xCF])
        {
            for (int place = sizeof(int); place < bytes.Length; place++)
            {
                byte[] replaced = [.. bytes[..place], code, 0x7F, 0xFF, 0xFF, 0xFF, .. bytes[place..]];
                BitConverter.TryWriteBytes(replaced, replaced.Length - sizeof(int));
                EndsWell(read, replaced);
            }
        }
    });

    [Fact]
    public void DepthWithoutEndIsFoundOut()
    {
        byte[] nested = new byte[1_000_000];
        Array.Fill(nested, (byte)0x91);
        // The sign says whether the sender thinks it deep.
        foreach (int sign in (int[])[1, -1])
        {
            BitConverter.TryWriteBytes(nested, sign * (nested.Length - sizeof(int)));
            Assert.Throws<InvalidPayloadException>(() => Journey.Read<Nest>(nested));
        }
    }

    [Fact]
    public void BytesLeftOverAreFoundOut()
    {
        byte[] bytes = [.. Journey.BytesOf(new Point(1, 2)), 0xC0];
        BitConverter.TryWriteBytes(bytes, bytes.Length - sizeof(int));
        Assert.Contains("left over", Assert.Throws<InvalidPayloadException>(() => Journey.Read<Point>(bytes)).Message, StringComparison.Ordinal);
    }

    private static Action<Action<byte[], Action<byte[]>>> With<T>(T value) => examine => examine(Journey.BytesOf(value), static bytes => Journey.Read<T>(bytes));

    private static void EndsWell(Action<byte[]> read, byte[] bytes)
    {
        long before = GC.GetAllocatedBytesForCurrentThread();
        try
        {
            read(bytes);
        }
        catch (InvalidPayloadException)
        {
        }

        long allocated = GC.GetAllocatedBytesForCurrentThread() - before;
        Assert.True(allocated < GenerousAllocation, $"{bytes.Length} bytes made the reader take {allocated:N0}: {Convert.ToHexString(bytes)}");
    }
}
