using System.Collections.Concurrent;

namespace ManyHands.Values;

/// <summary>A type, and the ways in which values of it are sent.</summary>
internal abstract class ValueCase(TypeChoice choice, int index)
{
    public TypeChoice Choice { get; } = choice;

    public int Index { get; } = index;

    /// <summary>Sends so many values through an engine, as argument, captured variable, result and queue item, and says what went wrong.</summary>
    public abstract Task<CaseReport> SendAsync(Engine engine, ulong seed, int first, int count);

    /// <summary>What a value looks like.</summary>
    public abstract string Show(ulong seed, int number);

    /// <summary>From which the value of that number is made.</summary>
    protected ulong SeedOf(ulong seed, int number) => (seed * 1_000_003) + ((ulong)Index << 32) + (ulong)number;
}

/// <summary>How a case went through one engine.</summary>
/// <param name="Equal">How many values arrived, all equal.</param>
/// <param name="Refused">How many were refused, by name.</param>
/// <param name="Problems">What else became of values.</param>
internal sealed record CaseReport(int Equal, int Refused, IReadOnlyList<string> Problems);

/// <summary>Somewhere to send values.</summary>
/// <param name="Name">What it is called in reports.</param>
/// <param name="Pool">The workers.</param>
/// <param name="Copies">Whether values are copied on their way; if not, none is refused.</param>
internal sealed record Engine(string Name, Pool Pool, bool Copies);

/// <summary>A value that isn't what was sent.</summary>
internal sealed class ValueChangedException(string message) : InvalidOperationException(message);

/// <inheritdoc/>
internal sealed class ValueCase<T, TMaker>(TypeChoice choice, int index) : ValueCase(choice, index)
    where TMaker : IMaker<T>
{
    private static readonly CallOptions Patience = new() { Timeout = TimeSpan.FromMinutes(3) };

    // In each process, what the values of this type look like.
    private static readonly ConcurrentDictionary<ulong, string> Expected = new();

    public override async Task<CaseReport> SendAsync(Engine engine, ulong seed, int first, int count)
    {
        List<string> problems = [];
        HashSet<int> refused = [];
        Task<bool>[] calls = [.. Enumerable.Range(first, count).Select(number => TryAsync(engine, number, SeedOf(seed, number), problems))];
        for (int at = 0; at < count; at++)
        {
            if (!await calls[at])
                refused.Add(first + at);
        }

        if (engine.Copies && OperatingSystem.IsLinux())
            await SendThroughQueueAsync(engine, seed, first, count, refused, problems);
        return new(count - refused.Count, refused.Count, problems);
    }

    public override string Show(ulong seed, int number) => ValuePortrait.Of(TMaker.Make(new Dice(SeedOf(seed, number))));

    private static T Made(ulong seed) => TMaker.Make(new Dice(seed));

    private static void Check(string role, T arrived, ulong seed)
    {
        string expected = Expected.GetOrAdd(seed, static start => ValuePortrait.Of(Made(start))), found = ValuePortrait.Of(arrived);
        if (expected != found)
            throw new ValueChangedException($"the {role} changed\n    from {expected}\n    to   {found}");
    }

    private static T Arrive(T argument, ulong seed)
    {
        Check("argument", argument, seed);
        return Made(seed);
    }

    /// <summary>Whether the value arrived; false if it was refused.</summary>
    private async Task<bool> TryAsync(Engine engine, int number, ulong seed, List<string> problems)
    {
        await Task.Yield();
        try
        {
            Check("result", await CallAsync(engine.Pool, number, Made(seed), seed), seed);
            return true;
        }
        catch (UnsendableCallException refusal) when (engine.Copies)
        {
            if (Choice.MustTravel)
                Report($"is refused, though it should travel: {refusal.Message}");
            if (!refusal.Message.Contains("; ", StringComparison.Ordinal) || !refusal.Message.Contains(NameOf(typeof(T)), StringComparison.Ordinal))
                Report($"is refused without its name or advice: {refusal.Message}");
        }
        catch (Exception failure)
        {
            Report(Describe(failure));
            return true;
        }

        // Exceptions take their time; the first of each kind say what the others would.
        if (number % 25 > 3)
            return false;
        await RequireRefusalAsync("captured variable", () => Captured(engine.Pool, Made(seed), seed));
        await RequireRefusalAsync("result", () => engine.Pool.RunAsync(static (ulong start) => Made(start), seed, Patience));
        return false;

        async Task RequireRefusalAsync(string role, Func<Task<T>> call)
        {
            try
            {
                T arrived = await call();
                Check(role, arrived, seed);
                Report($"is refused as an argument, and as a {role} it arrives");
            }
            catch (UnsendableCallException)
            {
            }
            catch (Exception failure)
            {
                Report($"as a {role}: {Describe(failure)}");
            }
        }

        void Report(string problem)
        {
            lock (problems)
                problems.Add($"{engine.Name}, value {Index}:{number} of {Choice.Name}: {problem}");
        }
    }

    // What the worker found is told by its message, everything else by all there is.
    private static string Describe(Exception failure) => failure is ValueChangedException or RemoteException ? failure.Message.Split("\n   at ")[0] : failure.ToString();

    private static string NameOf(Type type)
    {
        string name = type.IsArray ? NameOf(type.GetElementType()!) : type.Name;
        int tick = name.IndexOf('`', StringComparison.Ordinal);
        return tick < 0 ? name : name[..tick];
    }

    private static Task<T> Captured(Pool pool, T captured, ulong seed) => pool.RunAsync(
        () =>
        {
            Check("captured variable", captured, seed);
            return captured;
        },
        Patience);

    // Every shape of function in turn.
    private static Task<T> CallAsync(Pool pool, int number, T value, ulong seed)
    {
        switch (number % 6)
        {
            case 0:
                return pool.RunAsync(Arrive, value, seed, Patience);
            case 1:
                return pool.RunAsync(
                    argument =>
                    {
                        Check("captured variable", value, seed);
                        return Arrive(argument, seed);
                    },
                    value,
                    Patience);
            case 2:
                return pool.RunAsync(
                    async argument =>
                    {
                        await Task.Yield();
                        Check("captured variable", value, seed);
                        return Arrive(argument, seed);
                    },
                    value,
                    Patience);
            case 3:
                return pool.RunAsync(new Carrier(value, seed).Arrive, value, Patience);
            case 4:
                foreach (T inner in (T[])[value])
                {
                    ulong start = seed;
                    return pool.RunAsync(
                        argument =>
                        {
                            Check("captured variable of an inner block", inner, start);
                            Check("captured variable of an outer block", value, seed);
                            return Arrive(argument, start);
                        },
                        inner,
                        Patience);
                }

                goto default;
            default:
                return pool.RunAsync(Local, value, Patience);
        }

        T Local(T argument)
        {
            Check("captured variable of a local function", value, seed);
            return Arrive(argument, seed);
        }
    }

    private async Task SendThroughQueueAsync(Engine engine, ulong seed, int first, int count, HashSet<int> refused, List<string> problems)
    {
        using SharedQueue<T> queue = new();
        List<ulong> sent = [];
        for (int number = first; number < first + count; number++)
        {
            ulong start = SeedOf(seed, number);
            bool isTaken = true;
            try
            {
                queue.Enqueue(Made(start));
                sent.Add(start);
            }
            catch (UnsendableCallException)
            {
                isTaken = false;
            }

            if (isTaken == refused.Contains(number))
                problems.Add($"{engine.Name}, value {Index}:{number} of {Choice.Name}: is {(isTaken ? "refused as an argument, but taken" : "taken as an argument, but refused")} as an item of a queue");
        }

        try
        {
            await engine.Pool.RunAsync(Drain, queue, sent.ToArray(), Patience);
        }
        catch (Exception failure)
        {
            problems.Add($"{engine.Name}, values {Index}:{first}… of {Choice.Name}, as items of a queue: {failure.Message}");
        }
    }

    private static void Drain(SharedQueue<T> queue, ulong[] seeds)
    {
        foreach (ulong seed in seeds)
        {
            if (!queue.TryDequeue(out T? item, TimeSpan.FromMinutes(1)))
                throw new ValueChangedException("an item of the queue is missing");
            Check("item of a queue", item, seed);
        }
    }

    /// <summary>An object that travels with its private field.</summary>
    private sealed class Carrier(T held, ulong seed)
    {
        private readonly T held = held;

        public T Arrive(T argument)
        {
            Check("field of the object whose method is called", held, seed);
            return ValueCase<T, TMaker>.Arrive(argument, seed);
        }
    }
}
