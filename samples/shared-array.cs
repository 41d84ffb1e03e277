#:project ../src/ManyHands/ManyHands.csproj

// One array that eight worker processes fill at the same time, each its own part, without a byte being sent. Run it with: dotnet run samples/shared-array.cs

using ManyHands;

const int Size = 2_000;

// 2,000 × 2,000 points of the Mandelbrot set, 16 MB, in memory that all workers see.
using SharedArray<int> image = new(Size * Size);
await using Pool pool = Pool.Processes(8);

SharedArray<int>[] bands = image.Split(8);
await Task.WhenAll(bands.Select((band, number) => pool.RunAsync(Mandelbrot.Draw, band, number * (Size / 8), Size)));

// What the workers wrote is here already.
long inside = 0;
foreach (int steps in image.Span)
    inside += steps == Mandelbrot.MostSteps ? 1 : 0;
Console.WriteLine($"{bands.Length} workers drew {image.Length:N0} points; {100.0 * inside / image.Length:0.0} % of them are in the set.");

foreach (SharedArray<int> band in bands)
    band.Dispose();

internal static class Mandelbrot
{
    public const int MostSteps = 50;

    public static void Draw(SharedArray<int> band, int firstRow, int size)
    {
        Span<int> points = band.Span;
        for (int i = 0; i < points.Length; i++)
        {
            (int row, int column) = Math.DivRem(i, size);
            points[i] = Steps((3.0 * column / size) - 2.2, (3.0 * (firstRow + row) / size) - 1.5);
        }
    }

    private static int Steps(double x, double y)
    {
        double re = 0, im = 0;
        int steps = 0;
        while (steps < MostSteps && (re * re) + (im * im) <= 4)
        {
            (re, im) = ((re * re) - (im * im) + x, (2 * re * im) + y);
            steps++;
        }

        return steps;
    }
}
