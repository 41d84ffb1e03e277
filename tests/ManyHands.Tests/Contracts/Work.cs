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

    public static int Length(byte[] bytes) => bytes.Length;

    public static int OneUnlessCanceled(CancellationToken token) => token.IsCancellationRequested ? 0 : 1;

    public static int DoubleWithToken(int x, CancellationToken token) => token.IsCancellationRequested ? 0 : 2 * x;

    public static int AddWithToken(int x, int y, CancellationToken token) => token.IsCancellationRequested ? 0 : x + y;

    public static int AddThreeWithToken(int x, int y, int z, CancellationToken token) => token.IsCancellationRequested ? 0 : x + y + z;

    public static async Task<int> OneUnlessCanceledAsync(CancellationToken token)
    {
        await Task.Yield();
        return OneUnlessCanceled(token);
    }

    public static async Task<int> DoubleWithTokenAsync(int x, CancellationToken token)
    {
        await Task.Yield();
        return DoubleWithToken(x, token);
    }

    public static async Task<int> AddWithTokenAsync(int x, int y, CancellationToken token)
    {
        await Task.Yield();
        return AddWithToken(x, y, token);
    }

    public static async Task<int> AddThreeWithTokenAsync(int x, int y, int z, CancellationToken token)
    {
        await Task.Yield();
        return AddThreeWithToken(x, y, z, token);
    }

    /// <summary>Without arguments and result, an exception is what shows that it ran.</summary>
    public static void Throw() => throw new FormatException("it ran");

    public static void ThrowWithToken(CancellationToken token) => throw new FormatException(token.IsCancellationRequested ? "cancelled" : "it ran");

    public static async Task ThrowAsync()
    {
        await Task.Yield();
        Throw();
    }

    public static async Task ThrowWithTokenAsync(CancellationToken token)
    {
        await Task.Yield();
        ThrowWithToken(token);
    }

    public static void TouchOfTwo(string path, int other) => Gate.Open(path + other);

    public static void TouchOfThree(string path, int second, int third) => Gate.Open(path + second + third);

    public static void TouchWithToken(string path, CancellationToken token) => Gate.Open(path);

    public static void TouchOfTwoWithToken(string path, int other, CancellationToken token) => Gate.Open(path + other);

    public static void TouchOfThreeWithToken(string path, int second, int third, CancellationToken token) => Gate.Open(path + second + third);

    public static Task TouchOfTwoAsync(string path, int other) => TouchAsync(path + other);

    public static Task TouchOfThreeAsync(string path, int second, int third) => TouchAsync(path + second + third);

    public static Task TouchWithTokenAsync(string path, CancellationToken token) => TouchAsync(path);

    public static Task TouchOfTwoWithTokenAsync(string path, int other, CancellationToken token) => TouchAsync(path + other);

    public static Task TouchOfThreeWithTokenAsync(string path, int second, int third, CancellationToken token) => TouchAsync(path + second + third);

    public static async Task<int> DoubleAfterSomeTime(int x)
    {
        await Task.Delay(x % 7);
        return 2 * x;
    }

    /// <summary>The one with a path waits until that is open; all others end at once.</summary>
    public static async Task<int> WaitIfTold((int Number, string? Finish) item)
    {
        if (item.Finish is not null)
            await Gate.WaitAsync(item.Finish);
        return item.Number;
    }

    /// <summary>Ends at once without a path; with one, when it is cancelled.</summary>
    public static Task<int> WaitForeverIfTold(string? opens, CancellationToken token) => opens is null ? Task.FromResult(0) : WaitForever(opens, token);

    public static void Ignore(int x)
    {
    }

    public static void ThrowOnSeven(int x) => ThrowOn(x);

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
