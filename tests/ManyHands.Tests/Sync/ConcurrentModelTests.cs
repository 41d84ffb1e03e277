using System.Collections.Immutable;
using CsCheck;
using Xunit;

namespace ManyHands.Tests.Sync;

/// <summary>Any things that three threads do to a semaphore, an event or a queue have the results of some order of them.</summary>
public sealed class ConcurrentModelTests : LeakChecked
{
    private const int Iterations = 60;
    private const int Full = -1;

    // Long enough that nobody has given up only because another thread had the processor.
    private static readonly TimeSpan Patience = TimeSpan.FromMilliseconds(30);

    [Fact]
    public void Semaphore_IsLinearizable() => Steps(3).Sample(
        threads =>
        {
            using SharedSemaphore semaphore = new(1, 2);
            SharedOperation<int>[] operations =
            [
                new("Wait", () => semaphore.TryWait(Patience), count => count > 0 ? (count - 1, true) : (count, false)),
                new("Release", () => Release(semaphore, 1), count => count < 2 ? (count + 1, count) : (count, Full)),
                new("Release 2", () => Release(semaphore, 2), count => count == 0 ? (2, 0) : (count, Full)),
            ];
            Linearizability.Check(1, Of(operations, threads));
        },
        iter: Iterations,
        threads: 1);

    [Theory]
    [InlineData(SharedEventMode.ManualReset)]
    [InlineData(SharedEventMode.AutoReset)]
    public void Event_IsLinearizable(SharedEventMode mode) => Steps(4).Sample(
        threads =>
        {
            using SharedEvent shared = new(mode);
            SharedOperation<bool>[] operations =
            [
                new("Set", () => Done(shared.Set), _ => (true, null)),
                new("Reset", () => Done(shared.Reset), _ => (false, null)),
                new("Wait", () => shared.TryWait(TimeSpan.Zero), isSet => (isSet && mode == SharedEventMode.ManualReset, isSet)),
                new("IsSet", () => shared.IsSet, isSet => (isSet, isSet)),
            ];
            Linearizability.Check(false, Of(operations, threads));
        },
        iter: 10 * Iterations,
        threads: 1);

    [Fact]
    public void Queue_IsLinearizable() => Steps(2).Sample(
        threads =>
        {
            using SharedQueue<int> queue = new();
            int last = 0;
            Linearizability.Check(ImmutableQueue<int>.Empty, [.. threads.Select(steps => steps.Select(step =>
            {
                int item = ++last;
                return step == 0
                    ? new SharedOperation<ImmutableQueue<int>>($"Enqueue {item}", () => Done(() => queue.Enqueue(item)), items => (items.Enqueue(item), null))
                    : new("Dequeue", () => queue.TryDequeue(out int taken, Patience) ? taken : null, static items => items.IsEmpty ? (items, null) : (items.Dequeue(out int first), first));
            }).ToArray())]);
        },
        iter: Iterations,
        threads: 1);

    /// <summary>The check itself finds what no order explains.</summary>
    [Fact]
    public void WhatNoOrderExplains_IsFound()
    {
        SharedOperation<int> wrong = new("Wait", () => true, count => (count, count > 0));
        Assert.ThrowsAny<Exception>(() => Linearizability.Check(0, [[wrong], [wrong]]));
        SharedOperation<int> add = new("Add", () => null, count => (count + 1, null));
        Linearizability.Check(0, [[add, wrong]]);
        Assert.ThrowsAny<Exception>(() => Linearizability.Check(0, [[wrong, add]]));
    }

    private static Gen<int[][]> Steps(int kinds) => Gen.Int[0, kinds - 1].Array[1, 4].Array[3];

    private static SharedOperation<TState>[][] Of<TState>(SharedOperation<TState>[] operations, int[][] threads) => [.. threads.Select(steps => steps.Select(step => operations[step]).ToArray())];

    private static int Release(SharedSemaphore semaphore, int count)
    {
        try
        {
            return semaphore.Release(count);
        }
        catch (SemaphoreFullException)
        {
            return Full;
        }
    }

    private static object? Done(Action action)
    {
        action();
        return null;
    }
}
