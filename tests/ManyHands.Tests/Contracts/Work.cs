namespace ManyHands.Tests.Contracts;

/// <summary>Functions that workers of every kind run in the tests.</summary>
public static class Work
{
    public static int Answer() => 42;

    public static int Double(int x) => 2 * x;

    public static int Add(int a, int b) => a + b;

    public static string Join(string a, int b, bool c) => $"{a}|{b}|{c}";

    public static async Task<int> AnswerAsync()
    {
        await Task.Yield();
        return 42;
    }

    public static async Task<int> DoubleAsync(int x)
    {
        await Task.Yield();
        return 2 * x;
    }

    public static async Task<int> AddAsync(int a, int b)
    {
        await Task.Yield();
        return a + b;
    }

    public static async Task<string> JoinAsync(string a, int b, bool c)
    {
        await Task.Yield();
        return Join(a, b, c);
    }

    public static void Touch(string path) => Gate.Open(path);

    public static async Task TouchAsync(string path)
    {
        await Task.Yield();
        Gate.Open(path);
    }

    public static T Same<T>(T value) => value;

    public static async Task<int> OpenThenWait(string opens, string waits)
    {
        Gate.Open(opens);
        await Gate.WaitAsync(waits);
        return 1;
    }

    public static async Task<int> WaitForever(string opens, CancellationToken token)
    {
        Gate.Open(opens);
        await Task.Delay(Timeout.Infinite, token);
        return 1;
    }

    public static async Task<int> IgnoreToken(string opens, string finish)
    {
        Gate.Open(opens);
        await Gate.WaitAsync(finish);
        return 1;
    }

    public static int ThrowKnown(int x) => throw new InvalidOperationException($"no {x}", new FormatException("inner"));

    public static int ThrowOwn() => throw new OwnException("mine");

    public static int ThrowAggregate() => throw new AggregateException("several", new FormatException("one"), new OwnException("two"));

    public static async Task<int> ThrowLater()
    {
        await Task.Yield();
        throw new KeyNotFoundException("later");
    }

    public static int ThrowCanceled() => throw new OperationCanceledException("of its own accord");

    public static int ThrowOn(int x) => x == 7 ? throw new InvalidOperationException("seven") : x;

    public static async Task<int> Report(int count, IProgress<int> progress)
    {
        for (int i = 0; i < count; i++)
        {
            progress.Report(i);
            await Task.Yield();
        }

        return count;
    }
}

public sealed class OwnException(string message) : Exception(message);

/// <summary>Calls back at once, on the reporting thread; <see cref="Progress{T}"/> itself may report after the call.</summary>
public sealed class ListProgress<T> : IProgress<T>
{
    private readonly List<T> values = [];

    public IReadOnlyList<T> Values
    {
        get
        {
            lock (values)
                return [.. values];
        }
    }

    public void Report(T value)
    {
        lock (values)
            values.Add(value);
    }
}
