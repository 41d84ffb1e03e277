namespace ManyHands.Fuzz;

/// <summary>Makes inputs of inputs, the same ones for the same seed.</summary>
internal sealed class Mutator(int seed, IReadOnlyList<byte[]> tokens)
{
    private const int LongestInput = 8 * 1024;
    private static readonly byte[] Extremes = [0, 1, 0x7F, 0x80, 0xFE, 0xFF];
    private readonly Random random = new(seed);

    public byte[] Next(IReadOnlyList<byte[]> corpus)
    {
        List<byte> input = [.. corpus[random.Next(corpus.Count)]];

        // Mostly few changes: an input that is wrong everywhere is refused at its beginning.
        int changes = 1 << random.Next(5);
        for (int change = random.Next(changes); change >= 0; change--)
            Change(input, corpus);
        if (input.Count > LongestInput)
            input.RemoveRange(LongestInput, input.Count - LongestInput);
        return [.. input];
    }

    private void Change(List<byte> input, IReadOnlyList<byte[]> corpus)
    {
        int place = random.Next(input.Count + 1);
        switch (random.Next(10))
        {
            case 0 when place < input.Count:
                input[place] ^= (byte)(1 << random.Next(8));
                break;
            case 1 when place < input.Count:
                input[place] = (byte)random.Next(256);
                break;
            case 2 when place < input.Count:
                input[place] = Extremes[random.Next(Extremes.Length)];
                break;
            case 3:
                input.Insert(place, (byte)random.Next(256));
                break;
            case 4 when place < input.Count:
                input.RemoveRange(place, 1 + random.Next(Math.Min(8, input.Count - place)));
                break;
            case 5:
                input.RemoveRange(place, input.Count - place);
                break;
            case 6:
                byte[] other = corpus[random.Next(corpus.Count)];
                int start = random.Next(other.Length + 1);
                input.InsertRange(place, other.Skip(start).Take(random.Next(64)));
                break;
            case 7 when place < input.Count:
                int length = 1 + random.Next(Math.Min(32, input.Count - place));
                byte[] piece = [.. input.GetRange(place, length)];
                for (int times = 1 + random.Next(random.Next(20) == 0 ? 200 : 3); times > 0; times--)
                    input.InsertRange(place, piece);
                break;
            default:
                input.InsertRange(place, tokens[random.Next(tokens.Count)]);
                break;
        }
    }
}
