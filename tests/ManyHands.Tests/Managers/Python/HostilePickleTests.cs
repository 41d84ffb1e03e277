using System.Buffers;
using System.Diagnostics;
using ManyHands.Managers;
using Xunit;

namespace ManyHands.Tests.Managers;

/// <summary>Whatever somebody sends in place of a pickle is refused, or is data: soon, and without taking more memory than its bytes can stand for.</summary>
public sealed class HostilePickleTests
{
    public static TheoryData<string> Refused => [.. HostilePickles.Refused.Keys];

    public static TheoryData<string> Laughing => [.. HostilePickles.Laughing.Keys];

    [Theory]
    [MemberData(nameof(Refused))]
    public void AHostilePickle_IsRefused(string name)
    {
        byte[] pickle = HostilePickles.Refused[name]();
        long before = GC.GetAllocatedBytesForCurrentThread();
        long startedAt = Stopwatch.GetTimestamp();
        Assert.Throws<InvalidPickleException>(() => PickleReader.Read(pickle));
        Assert.InRange(GC.GetAllocatedBytesForCurrentThread() - before, 0, (1 << 20) + (200L * pickle.Length));
        Assert.InRange(FairClock.Since(startedAt).TotalSeconds, 0, 3);
    }

    [Theory]
    [MemberData(nameof(Refused))]
    public void WithUnknownClassesAsData_OnlyThoseAreTaken(string name)
    {
        byte[] pickle = HostilePickles.Refused[name]();
        try
        {
            Assert.IsType<PythonError>(PickleReader.Read(pickle, new PickleLimits { KeepsUnknownClasses = true }));
            Assert.Contains(name, (string[])["posix.system", "builtins.eval"]);
        }
        catch (InvalidPickleException)
        {
        }
    }

    [Theory]
    [MemberData(nameof(Laughing))]
    public void AValueWithoutEnd_IsGoneThroughInTime(string name)
    {
        long startedAt = Stopwatch.GetTimestamp();
        object? value = PickleReader.Read(HostilePickles.Laughing[name]());
        Assert.InRange(PythonText.Of(value).Length, 1, 1001);
        _ = PythonEquality.HashOf(value);
        if (value is PythonTuple { Count: 2 } pair)
            Assert.True(pair[0]!.Equals(pair[1]) || !pair[0]!.Equals(pair[1]));
        ArrayBufferWriter<byte> written = new();
        PickleWriter.Write(written, value);
        Assert.InRange(written.WrittenCount, 1, 1000);
        Assert.Equal(PythonText.Of(value), PythonText.Of(PickleReader.Read(written.WrittenSpan)));
        Assert.InRange(FairClock.Since(startedAt).TotalSeconds, 0, 3);
    }

    [Fact]
    public void AValueOfTwoToTheThirty_ComparesItsPartsOnce()
    {
        PythonTuple pair = Assert.IsType<PythonTuple>(PickleReader.Read(HostilePickles.Laughing["two tuples of 2^30"]()));

        // Not by Assert.Equal, which goes into collections by itself and would take days.
        Assert.True(pair[0]!.Equals(pair[1]));
        Assert.NotSame(pair[0], pair[1]);
    }

    [Fact]
    public void NoProtocolBelowTheDemanded_IsTaken()
    {
        Assert.Null(PickleReader.Read("N."u8));
        Assert.Throws<InvalidPickleException>(() => PickleReader.Read("N."u8, new PickleLimits { MinimumProtocol = 2 }));
    }

    [Fact]
    public void MoreValuesThanGranted_AreRefused() =>
        Assert.Throws<InvalidPickleException>(() => PickleReader.Read([0x80, 4, (byte)']', (byte)'(', .. Enumerable.Repeat((byte)'N', 1000), (byte)'e', (byte)'.'], new PickleLimits { MaximumItems = 1000 }));

    [Fact]
    public void AMillionKeysMadeToCollide_AreRead()
    {
        // Their plain hashes, the two halves together, are all zero.
        PythonDictionary colliding = new();
        for (long number = 1; number <= 1_000_000; number++)
            colliding[(number << 32) | number] = null;
        ArrayBufferWriter<byte> written = new();
        PickleWriter.Write(written, colliding);
        long startedAt = Stopwatch.GetTimestamp();
        Assert.Equal(1_000_000, Assert.IsType<PythonDictionary>(PickleReader.Read(written.WrittenSpan)).Count);
        Assert.InRange(FairClock.Since(startedAt).TotalSeconds, 0, 10);
    }

    [Fact]
    public void EveryTruncation_OfWhatWeWrite_IsRefused()
    {
        ArrayBufferWriter<byte> written = new();
        PickleWriter.Write(written, new PythonTuple("text", 1L, 2.5, new byte[300], PythonTuple.Empty, new PythonTuple(1L, null), Guid.NewGuid(), DateTimeOffset.UnixEpoch, new PythonError("builtins", "KeyError", new PythonTuple("k"))));
        for (int length = 0; length < written.WrittenCount; length++)
        {
            byte[] cut = written.WrittenSpan[..length].ToArray();
            Assert.Throws<InvalidPickleException>(() => PickleReader.Read(cut));
        }
    }

    [Fact]
    public void KeysThatPythonTakesForOne_AreOne()
    {
        object[] ones = [1L, 1.0, true, 1m, 1.00m, new System.Numerics.Complex(1, 0), System.Numerics.BigInteger.One];
        foreach (object one in ones)
        {
            PythonDictionary dictionary = new();
            dictionary[one] = "first";
            foreach (object other in ones)
                Assert.True(dictionary.TryGetValue(other, out _), $"{one.GetType()} and {other.GetType()}");
            Assert.False(dictionary.ContainsKey("1"));
            Assert.False(dictionary.ContainsKey(0L));
        }

        Assert.True(PythonEquality.Equal(0.5, 0.5m));
        Assert.Equal(PythonEquality.HashOf(0.5), PythonEquality.HashOf(0.50m));
        Assert.False(PythonEquality.Equal(0.1, 0.1m));
        Assert.False(PythonEquality.Equal("1", "1"u8.ToArray()));
        Assert.True(PythonEquality.Equal(1e300, new System.Numerics.BigInteger(1e300)));
        Assert.Equal(PythonEquality.HashOf(1e300), PythonEquality.HashOf(new System.Numerics.BigInteger(1e300)));
        Assert.Equal(PythonEquality.HashOf(1.10m / 3), PythonEquality.HashOf(1.1m / 3));
    }
}
