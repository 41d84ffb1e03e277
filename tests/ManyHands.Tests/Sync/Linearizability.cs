using System.Diagnostics;
using Xunit;

namespace ManyHands.Tests.Sync;

/// <summary>What can be done to an object that threads share: to the object itself, and to its model.</summary>
/// <param name="Name">For the message of a failure.</param>
/// <param name="Do">Returns what the caller sees.</param>
/// <param name="Model">The state after it, and what the caller should see.</param>
internal sealed record SharedOperation<TState>(string Name, Func<object?> Do, Func<TState, (TState State, object? Result)> Model);

/// <summary>
/// Several threads do things to one object at the same time. Then there must be an order of all that was done, in which nothing comes before what had ended when it began, and in which the model gives the results that
/// the threads saw.
/// </summary>
internal static class Linearizability
{
    public static void Check<TState>(TState initial, SharedOperation<TState>[][] threads)
    {
        using Barrier start = new(threads.Length);
        List<Done<TState>>[] done = new List<Done<TState>>[threads.Length];
        Thread[] running = [.. threads.Select((operations, number) => new Thread(() =>
        {
            List<Done<TState>> own = done[number] = [];
            start.SignalAndWait();
            foreach (SharedOperation<TState> operation in operations)
            {
                long begun = Stopwatch.GetTimestamp();
                object? result = operation.Do();
                own.Add(new(operation, result, begun, Stopwatch.GetTimestamp()));
            }
        }))];
        foreach (Thread thread in running)
            thread.Start();
        foreach (Thread thread in running)
            thread.Join();
        Assert.True(IsExplained(initial, done, new int[threads.Length]), string.Join(Environment.NewLine, done.SelectMany(own => own).OrderBy(one => one.Begun)));
    }

    private static bool IsExplained<TState>(TState state, List<Done<TState>>[] done, int[] next)
    {
        long firstEnd = long.MaxValue;
        for (int i = 0; i < done.Length; i++)
        {
            if (next[i] < done[i].Count)
                firstEnd = Math.Min(firstEnd, done[i][next[i]].Ended);
        }

        if (firstEnd == long.MaxValue)
            return true;
        for (int i = 0; i < done.Length; i++)
        {
            if (next[i] == done[i].Count || done[i][next[i]].Begun > firstEnd)
                continue;
            Done<TState> one = done[i][next[i]];
            (TState after, object? expected) = one.Operation.Model(state);
            if (!Equals(expected, one.Result))
                continue;
            next[i]++;
            if (IsExplained(after, done, next))
                return true;
            next[i]--;
        }

        return false;
    }

    private sealed record Done<TState>(SharedOperation<TState> Operation, object? Result, long Begun, long Ended)
    {
        public override string ToString() => $"{Begun}–{Ended}: {Operation.Name} = {Result}";
    }
}
