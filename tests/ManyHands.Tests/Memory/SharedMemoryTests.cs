using Xunit;

namespace ManyHands.Tests.Memory;

/// <summary>Bytes that processes share.</summary>
public sealed class SharedMemoryTests : LeakChecked
{
    [Fact]
    public async Task ValuesOfSeveralTypes_AreSeenByWorkers()
    {
        await using Pool pool = Pool.Processes(1);
        using SharedMemory memory = new(4096);
        memory.At<long>(0) = 3;
        memory.SpanOf<double>(64, 3).Fill(1.5);
        Assert.Equal(4.5, await pool.RunAsync(Sum, memory));
        Assert.Equal(7, memory.At<int>(8));
        using SharedMemory part = memory.Slice(64, 24);
        Assert.Equal(24, part.Size);
        memory.Dispose();
        Assert.Equal(1.5, part.At<double>(16));
        Assert.Throws<ObjectDisposedException>(() => memory.At<int>(0));
        Assert.Throws<ObjectDisposedException>(() => memory.Span.Length);

        static double Sum(SharedMemory memory)
        {
            memory.At<int>(8) = 7;
            double sum = 0;
            foreach (double value in memory.SpanOf<double>(64, (int)memory.At<long>(0)))
                sum += value;
            return sum;
        }
    }

    [Fact]
    public void WhatIsNotInside_IsRefused()
    {
        using SharedMemory memory = new(16);
        Assert.Equal(16, memory.Span.Length);
        Assert.Throws<ArgumentOutOfRangeException>(() => memory.At<long>(9));
        Assert.Throws<ArgumentOutOfRangeException>(() => memory.At<long>(-1));
        Assert.Throws<ArgumentOutOfRangeException>(() => memory.At<Guid>(long.MaxValue));
        Assert.Throws<ArgumentOutOfRangeException>(() => memory.SpanOf<long>(8, 2).Length);
        Assert.Throws<ArgumentOutOfRangeException>(() => memory.SpanOf<long>(0, -1).Length);
        Assert.Throws<ArgumentOutOfRangeException>(() => memory.SpanOf<long>(17, 0).Length);
        Assert.Throws<ArgumentOutOfRangeException>(() => memory.Slice(16, 1));
        Assert.Throws<ArgumentOutOfRangeException>(() => memory.Slice(0, 17));
        Assert.Throws<ArgumentOutOfRangeException>(() => new SharedMemory(0));
        Assert.Throws<IOException>(() => new SharedMemory(1L << 50));
    }
}
