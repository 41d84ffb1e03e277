using System.Buffers.Binary;
using ManyHands.Managers;
using Xunit;

namespace ManyHands.Tests.Managers;

public sealed class PythonFramingTests
{
    [Theory]
    [InlineData("00000000", "")]
    [InlineData("00000003616263", "616263")]
    [InlineData("ffffffff0000000000000003616263", "616263")]
    public async Task AFrame_IsRead(string hex, string payload) => Assert.Equal(payload, Convert.ToHexStringLower((await Read(hex, 256))!.Value.Span));

    [Theory]
    [InlineData("00")]
    [InlineData("000000")]
    [InlineData("ffffffff")]
    [InlineData("ffffffff0000")]
    [InlineData("ffffffffffffffffffffffff")]
    [InlineData("ffffffff7fffffffffffffff")]
    [InlineData("fffffffe")]
    [InlineData("fffffffb00")]
    [InlineData("80000000")]
    [InlineData("7fffffff")]
    [InlineData("00000101")]
    [InlineData("000000036162")]
    [InlineData("474554202f20485454502f312e310d0a0d0a")]
    [InlineData("160301020001000001fc0303")]
    public async Task AFrameThatIsNone_IsRefused(string hex) => await Assert.ThrowsAsync<PythonProtocolException>(async () => await Read(hex, 256));

    [Fact]
    public async Task TheEndBetweenTwoFrames_IsAnEnd() => Assert.Null(await Read("", 256));

    [Fact]
    public async Task AHeader_TakesNoMemoryForWhatItPromises()
    {
        PythonFraming framing = new(new MemoryStream(HostilePickles.Bytes("7fffffff00")));
        long before = GC.GetAllocatedBytesForCurrentThread();
        await Assert.ThrowsAsync<PythonProtocolException>(async () => await framing.ReadAsync(int.MaxValue));
        Assert.InRange(GC.GetAllocatedBytesForCurrentThread() - before, 0, 100_000);
    }

    [Theory]
    [InlineData(1)]
    [InlineData(7)]
    [InlineData(100_000)]
    public async Task FramesOfAllSizes_ArriveInPieces(int piece)
    {
        using MemoryStream stream = new();
        PythonFraming writer = new(stream);
        int[] sizes = [0, 1, 3, 4092, 4093, 4096, 10_000, 0, 70_000, 5, 200_000, 1];
        foreach (int size in sizes)
            await writer.WriteAsync(Enumerable.Range(0, size).Select(static index => (byte)(index * 31)).ToArray());
        PythonFraming reader = new(new PiecewiseStream(stream.ToArray(), piece));
        foreach (int size in sizes)
        {
            ReadOnlyMemory<byte> frame = (await reader.ReadAsync(200_000))!.Value;
            Assert.Equal(size, frame.Length);
            for (int index = 0; index < size; index++)
                Assert.Equal((byte)(index * 31), frame.Span[index]);
        }

        Assert.Null(await reader.ReadAsync(200_000));
    }

    [Fact]
    public void AFrame_BeginsWithItsLength()
    {
        PythonFrameBuffer frame = new();
        frame.GetSpan(5000)[0] = 1;
        frame.Advance(5000);
        Assert.Equal(5004, frame.Finish().Length);
        Assert.Equal(5000, BinaryPrimitives.ReadInt32BigEndian(frame.Finish().Span));
        frame.Clear();
        Assert.Equal("00000000", Convert.ToHexString(frame.Finish().Span));
    }

    private static ValueTask<ReadOnlyMemory<byte>?> Read(string hex, int maximum) => new PythonFraming(new MemoryStream(HostilePickles.Bytes(hex))).ReadAsync(maximum);

    private sealed class PiecewiseStream(byte[] bytes, int piece) : MemoryStream(bytes)
    {
        public override ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default) => base.ReadAsync(buffer[..Math.Min(piece, buffer.Length)], cancellationToken);
    }
}
