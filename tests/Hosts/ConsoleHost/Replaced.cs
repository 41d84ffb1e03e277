using ManyHands;

/// <summary>Replaces a library's file by another build while a pool lives, and says what becomes of its calls.</summary>
internal static class Replaced
{
    public static async Task<int> RunAsync(string library, string newer)
    {
        string file = Path.Combine(AppContext.BaseDirectory, library);
        await using Pool before = Pool.Processes(1);
        Console.WriteLine($"BEFORE {await before.RunAsync(static () => 42)}");

        // As a deployment does it: the running process keeps what it has mapped.
        File.Copy(newer, file + ".new");
        File.Move(file + ".new", file, overwrite: true);
        Console.WriteLine($"LIVING {await before.RunAsync(static () => 42)}");
        await using Pool after = Pool.Processes(1);
        Console.WriteLine($"AFTER {await Outcome(after)}");
        return 0;
    }

    private static async Task<string> Outcome(Pool pool)
    {
        try
        {
            return $"{await pool.RunAsync(static () => 42)}";
        }
        catch (Exception refusal) when (refusal is PoolBrokenException or UnsendableCallException)
        {
            return $"{refusal.GetType().Name}: {refusal.Message.ReplaceLineEndings(" ")}";
        }
    }
}
